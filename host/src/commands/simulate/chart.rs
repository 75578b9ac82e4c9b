//! The table as a chart: a line for each regime, a mark for each policy. SVG, which scales and which any
//! browser shows.

use std::fmt::Display;
use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::{
    ChartBuilder, Circle, Color as _, IntoDrawingArea as _, IntoFont as _, RGBColor, SVGBackend,
    WHITE,
};
use plotters::series::PointSeries;

use super::RowDocument;
use crate::commands::write_file;
use crate::exit::{Ended, Exit};

/// Ratios beyond are drawn at the edge: who waits for nobody would flatten all others.
const RATIO_SHOWN: f64 = 1.5;
/// Colours that people with colour blindness can tell apart (M. Okabe, K. Ito, 2008).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(150, 150, 150),
];
const WIDTH: u32 = 1000;
const LINE_HEIGHT: u32 = 28;
const MARGIN_HEIGHT: u32 = 120;
/// Lines of a chart; more could not be read.
const LINES_MAX: usize = 200;

/// Whether a chart can be written in the format that its name asks for.
pub(super) fn check(path: &Path) -> anyhow::Result<()> {
    if path.extension().is_some_and(|end| end == "svg") {
        return Ok(());
    }
    let message = format!("chart {} is no .svg: say --chart FILE.svg", path.display());
    Err(Ended::error(Exit::Invalid, message))
}

pub(super) fn draw(path: &Path, rows: &[RowDocument]) -> anyhow::Result<()> {
    let mut policies: Vec<&str> = Vec::new();
    for row in rows {
        if !policies.contains(&row.policy.as_str()) {
            policies.push(&row.policy);
        }
    }
    let lines: Vec<&[RowDocument]> = rows.chunks(policies.len()).take(LINES_MAX).collect();
    let text = svg(&policies, &lines).map_err(|error| anyhow!("cannot draw the chart: {error}"))?;
    write_file(path, text.as_bytes())
}

#[expect(clippy::cast_precision_loss, reason = "a few lines")]
fn svg(policies: &[&str], lines: &[&[RowDocument]]) -> Result<String, String> {
    fn words(error: impl Display) -> String {
        error.to_string()
    }
    let count = u32::try_from(lines.len()).map_err(words)?;
    let mut text = String::new();
    {
        let size = (WIDTH, MARGIN_HEIGHT + LINE_HEIGHT * count);
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE).map_err(words)?;
        let title = "makespan over the failure-free run without saves";
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18).into_font())
            .margin(12)
            .x_label_area_size(30)
            .y_label_area_size(190)
            .build_cartesian_2d(1.0..RATIO_SHOWN, 0.0..lines.len() as f64)
            .map_err(words)?;
        // The first regime is drawn at the top.
        let height = |at: usize| lines.len() as f64 - at as f64 - 0.5;
        let name = |y: &f64| {
            let found = (0..lines.len()).find(|at| (height(*at) - *y).abs() < 0.01);
            found.map_or(String::new(), |at| lines[at][0].regime.clone())
        };
        chart
            .configure_mesh()
            .y_labels(lines.len() * 2 + 1)
            .y_label_formatter(&name)
            .x_label_formatter(&|x| format!("{x:.2}"))
            .light_line_style(WHITE)
            .draw()
            .map_err(words)?;
        for (i, policy) in policies.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            let point = |(at, line): (usize, &&[RowDocument])| {
                (line[i].makespan_ratio.min(RATIO_SHOWN), height(at))
            };
            let points = lines.iter().enumerate().map(point);
            let series: PointSeries<'_, _, _, Circle<_, i32>, _> =
                PointSeries::new(points, 5, colour.filled());
            chart
                .draw_series(series)
                .map_err(words)?
                .label(*policy)
                .legend(move |(x, y)| Circle::new((x + 8, y), 5, colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(plotters::prelude::SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .draw()
            .map_err(words)?;
        area.present().map_err(words)?;
    }
    Ok(text)
}
