//! The first picture: requests a second against concurrency, both logarithmic. A latency is a slope, a limit is a
//! ceiling, and where they meet is the concurrency worth having.

use std::path::Path;

use plotters::prelude::*;

use crate::bounds::{Binding, Judged};
use crate::matrix::{Matrix, rate};

const SIZE: (u32, u32) = (800, 600);
/// Told apart also by those who do not see all colours (Okabe and Ito), one for each latency.
const COLOURS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];
/// The points of the latencies stand side by side under a limit, where they would cover each other.
const ASIDE: f64 = 1.07;
/// Where a limit's name stands, as a factor of the left edge: between the points of the first two concurrencies.
const LABEL: f64 = 1.42;
const GREY: RGBColor = RGBColor(110, 110, 110);

/// Draws it into an SVG file.
pub(crate) fn draw(matrix: &Matrix, cells: &[Judged], path: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let ticks: Vec<f64> = matrix.concurrencies.iter().map(|c| *c as f64).collect();
    let (first, last) = (ticks[0] / 1.2, ticks[ticks.len() - 1] * 1.2);
    let rates: Vec<f64> = cells.iter().map(|cell| cell.measured.sustained_rate(cell.free())).collect();
    let lowest = rates.iter().copied().fold(f64::INFINITY, f64::min) / 1.6;
    let highest = rates.iter().copied().fold(0.0, f64::max) * 2.0;
    let mut chart = ChartBuilder::on(&root)
        .caption("Throughput: latency is a slope, a rate limit is a ceiling", ("sans-serif", 21))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (first..last).log_scale().with_key_points(ticks),
            (lowest..highest).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("concurrency (sync actors)")
        .y_desc("requests per second, after the free burst")
        .x_label_formatter(&|c| format!("{c:.0}"))
        .y_label_formatter(&|rate| if *rate < 1.0 { format!("{rate:.2}") } else { format!("{rate:.0}") })
        .axis_desc_style(("sans-serif", 16))
        .label_style(("sans-serif", 14))
        .bold_line_style(RGBColor(215, 215, 215))
        .light_line_style(RGBColor(240, 240, 240))
        .draw()?;

    for limit in matrix.limits.iter().flatten() {
        let ceiling = rate(*limit);
        let line = DashedLineSeries::new([(first, ceiling), (last, ceiling)], 7, 4, GREY.stroke_width(1));
        chart.draw_series(line)?;
        let style = ("sans-serif", 14).into_font().color(&GREY);
        let name = format!("limit {limit}");
        chart.draw_series([EmptyElement::at((first * LABEL, ceiling)) + Text::new(name, (0, -16), style)])?;
    }
    for (latency, colour) in matrix.latencies.iter().zip(COLOURS) {
        let slope = [first, last].map(|c| (c, c / latency.as_secs_f64()));
        chart
            .draw_series(LineSeries::new(within(slope, lowest, highest), colour.stroke_width(1)))?
            .label(format!("concurrency / latency of {} ms", latency.as_millis()))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2)));
    }
    for ((index, latency), colour) in matrix.latencies.iter().enumerate().zip(COLOURS) {
        let aside = ASIDE.powf(index as f64 - (matrix.latencies.len() as f64 - 1.0) / 2.0);
        let points = cells.iter().zip(&rates).filter(|(cell, _)| cell.measured.cell.latency == *latency);
        let points = points.map(|(cell, rate)| {
            let filled = cell.measured.cell.limit.is_some();
            let style = if filled { colour.filled() } else { colour.stroke_width(2) };
            let aside = if cell.binding == Binding::Limit { aside } else { 1.0 };
            Circle::new((cell.measured.cell.concurrency as f64 * aside, *rate), 4, style)
        });
        chart
            .draw_series(points)?
            .label(format!("measured at {} ms (hollow: no limit)", latency.as_millis()))
            .legend(move |(x, y)| Circle::new((x + 11, y), 4, colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(200, 200, 200))
        .label_font(("sans-serif", 13))
        .draw()?;
    root.present()?;
    Ok(())
}

/// A slope from where it enters the picture to where it leaves it.
fn within([from, to]: [(f64, f64); 2], lowest: f64, highest: f64) -> [(f64, f64); 2] {
    let slope = from.1 / from.0;
    let at = |(c, rate): (f64, f64)| {
        let seen = rate.clamp(lowest, highest);
        if seen == rate { (c, rate) } else { (seen / slope, seen) }
    };
    [at(from), at(to)]
}
