//! The second picture: the requests of one run as they are sent, against the earliest that the limit allows.

use std::path::Path;
use std::time::Duration;

use actors::lower_bound::lower_bound;
use plotters::prelude::*;

use crate::measurement::Measurement;

const SIZE: (u32, u32) = (800, 480);
const BOUND: RGBColor = RGBColor(110, 110, 110);
const MEASURED: RGBColor = RGBColor(0, 114, 178);

/// Draws it into an SVG file.
pub(crate) fn draw(measured: &Measurement, path: &Path) -> anyhow::Result<()> {
    let limits: Vec<_> = measured.cell.limit.into_iter().collect();
    let earliest = (1..=measured.requests).map(|request| (lower_bound(request, &limits), request));
    let bound = steps(earliest, measured.makespan);
    let sent = steps(measured.course.0.iter().copied(), measured.makespan);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!(
        "One run: limit {}, latency {} ms, concurrency {}",
        measured.cell.limit_name(),
        measured.cell.latency.as_millis(),
        measured.cell.concurrency
    );
    let (last, most) = (measured.makespan.as_secs_f64() * 1.02, measured.requests as f64 * 1.06);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 21))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last, 0.0..most)?;
    chart
        .configure_mesh()
        .x_desc("seconds since the start")
        .y_desc("requests sent")
        .y_label_formatter(&|requests| format!("{requests:.0}"))
        .axis_desc_style(("sans-serif", 16))
        .label_style(("sans-serif", 14))
        .bold_line_style(RGBColor(225, 225, 225))
        .light_line_style(WHITE)
        .draw()?;
    chart
        .draw_series(LineSeries::new(bound, BOUND.stroke_width(2)))?
        .label("the earliest that the limit allows")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], BOUND.stroke_width(2)));
    chart
        .draw_series(LineSeries::new(sent, MEASURED.stroke_width(2)))?
        .label("measured")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], MEASURED.stroke_width(2)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(200, 200, 200))
        .label_font(("sans-serif", 14))
        .draw()?;
    root.present()?;
    Ok(())
}

/// From counts at their times to a line that stays until it rises.
fn steps(counts: impl Iterator<Item = (Duration, u64)>, end: Duration) -> Vec<(f64, f64)> {
    let mut line = vec![(0.0, 0.0)];
    for (at, count) in counts {
        let (at, before) = (at.as_secs_f64(), line[line.len() - 1].1);
        line.extend([(at, before), (at, count as f64)]);
    }
    line.push((end.as_secs_f64(), line[line.len() - 1].1));
    line
}
