//! A picture: what a campaign costs each contender of processor time, on a logarithmic scale.

use std::path::Path;

use plotters::prelude::*;

use crate::contender::Contender;
use crate::regime::Work;
use crate::table::{Medians, Ran};

/// For each contender, in pixels.
const ROW: u32 = 44;
const WIDTH: u32 = 800;
/// The colour of ours, and of the others (Okabe and Ito).
const OURS: RGBColor = RGBColor(0, 114, 178);
const OTHERS: RGBColor = RGBColor(110, 110, 110);

/// Draws it into an SVG file.
pub(crate) fn draw(work: &Work, ran: &[(Contender, Vec<Ran>)], path: &Path) -> anyhow::Result<()> {
    let each = |runs: &[Ran]| 1e6 * Medians::of(runs).processor / work.campaigns as f64;
    let costs: Vec<(Contender, f64)> = ran.iter().map(|(contender, runs)| (*contender, each(runs))).collect();
    let least = costs.iter().map(|(_, cost)| *cost).fold(f64::INFINITY, f64::min);
    let most = costs.iter().map(|(_, cost)| *cost).fold(0.0, f64::max);
    let rows = costs.len() as u32;
    let root = SVGBackend::new(path, (WIDTH, ROW * rows + 110)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(format!("Processor time a campaign, of {}", work.campaigns), ("sans-serif", 21))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(150)
        // Room for the numbers beside the points.
        .build_cartesian_2d((least / 1.5..most * 2.5).log_scale(), f64::from(rows)..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .x_desc("microseconds, logarithmic")
        .x_label_formatter(&|cost| format!("{cost:.0}"))
        .axis_desc_style(("sans-serif", 16))
        .label_style(("sans-serif", 14))
        .bold_line_style(RGBColor(215, 215, 215))
        .light_line_style(RGBColor(240, 240, 240))
        .draw()?;
    for (row, (contender, cost)) in costs.iter().enumerate() {
        let colour = if *contender == Contender::CampaignSync { OURS } else { OTHERS };
        let (left, y) = (least / 1.5, row as f64 + 0.5);
        chart.draw_series(line((left, y), (*cost, y), colour))?;
        chart.draw_series([Circle::new((*cost, y), 6, colour.filled())])?;
        let style = ("sans-serif", 16).into_font().color(&colour);
        let beside = |text: String, at, offset| {
            EmptyElement::<(f64, f64), SVGBackend<'_>>::at(at) + Text::new(text, offset, style.clone())
        };
        chart.draw_series([beside(format!("{cost:.1} µs"), (*cost, y), (14, -8))])?;
        let (x, y) = chart.backend_coord(&(left, y));
        root.draw(&Text::new(contender.to_string(), (x - 140, y - 8), style))?;
    }
    root.present()?;
    Ok(())
}

fn line(from: (f64, f64), to: (f64, f64), colour: RGBColor) -> impl Iterator<Item = PathElement<(f64, f64)>> {
    std::iter::once(PathElement::new([from, to], colour.stroke_width(2)))
}
