//! A load, or two beside one another, as a page: latency by percentile, latency and rate over time.
//!
//! One file without scripts and without anything from elsewhere: pictures stand in it as SVG, in the colours that a
//! reader's system asks for, light or dark. Pure: figures in, HTML out.

use std::fmt::Write as _;

use html_escape::encode_text;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

use super::report::Report;

/// Width and height of a picture.
const SIZE: (u32, u32) = (860, 300);
/// Colours that the page gives their values: text, grid, and one for each run.
const INK: RGBColor = RGBColor(1, 2, 3);
const GRID: RGBColor = RGBColor(4, 5, 6);
const RUNS: [RGBColor; 2] = [RGBColor(7, 8, 9), RGBColor(10, 11, 12)];
const NAMES: [(RGBColor, &str); 4] = [(INK, "ink"), (GRID, "grid"), (RUNS[0], "a"), (RUNS[1], "b")];
const STYLE: &str = include_str!("plot.css");

type Drawn<T> = Result<T, String>;
type Points = Vec<(f64, f64)>;

/// A run and what it is called.
pub struct Run<'a> {
    /// Its name.
    pub name: &'a str,
    /// What came of it.
    pub report: &'a Report,
}

/// The page of one run or two.
pub fn page(runs: &[Run<'_>]) -> Result<String, String> {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>winback exchange</title>\n<style>\n{STYLE}</style>\n<main>\n<h1>{}</h1>\n",
        runs.first()
            .map_or_else(String::new, |run| encode_text(&run.report.target).into_owned())
    );
    table(&mut out, runs);
    let percentiles = |report: &Report| {
        report
            .percentiles
            .iter()
            .map(|point| (nines(point.percent), point.us as f64))
            .collect()
    };
    let curves: Vec<Vec<Points>> = runs.iter().map(|run| vec![percentiles(run.report)]).collect();
    let most = curves.iter().flatten().flatten().map(|(x, _)| *x).fold(1.0, f64::max);
    picture(&mut out, "Latency of so many of the requests at most", &curves, most, Axis::Nines)?;
    let over_time = |report: &Report, of: fn(&super::series::Step) -> u64| {
        let steps = report.series.iter().filter(|step| step.requests > 0);
        steps.map(|step| (step.at_s as f64, of(step) as f64)).collect()
    };
    let last = runs.iter().map(|run| run.report.seconds).fold(1.0, f64::max);
    let curves: Vec<Vec<Points>> = runs
        .iter()
        .map(|run| vec![over_time(run.report, |step| step.p99), over_time(run.report, |step| step.p50)])
        .collect();
    picture(&mut out, "Latency over time: p99 thick, p50 thin", &curves, last, Axis::Seconds)?;
    let curves: Vec<Vec<Points>> = runs.iter().map(|run| vec![rates(run.report)]).collect();
    picture(&mut out, "Requests a second", &curves, last, Axis::Rate)?;
    out.push_str("</main>\n</html>\n");
    Ok(out)
}

/// Requests a second of each step; of a last one that is shorter, what would have come in a whole one.
fn rates(report: &Report) -> Points {
    let width = report.series.get(1).map_or(report.seconds, |step| step.at_s as f64);
    let of = |step: &super::series::Step| {
        let lasted = width.min(report.seconds - step.at_s as f64).max(f64::MIN_POSITIVE);
        (step.at_s as f64, step.requests as f64 / lasted)
    };
    report.series.iter().map(of).collect()
}

/// A percentile by how many nines it has.
fn nines(percent: f64) -> f64 {
    -(1.0 - percent / 100.0).max(1e-9).log10()
}

fn table(out: &mut String, runs: &[Run<'_>]) {
    let mut row = |name: &str, of: &dyn Fn(&Report) -> String| {
        let _ = write!(out, "<tr><th>{name}</th>");
        for run in runs {
            let _ = write!(out, "<td>{}</td>", encode_text(&of(run.report)));
        }
        out.push_str("</tr>\n");
    };
    let mut head = String::from("<table>\n<tr><th></th>");
    for (run, colour) in runs.iter().zip(["a", "b"]) {
        let _ = write!(head, "<th class=\"{colour}\">{}</th>", encode_text(run.name));
    }
    row("rate", &|of| format!("{:.0}/s", of.achieved_rate));
    row("requests", &|of| format!("{} in {} s", of.answered, of.seconds));
    row("bids", &|of| format!("{:.2} %", of.bid_percent));
    row("unanswered", &|of| (of.errors + of.timeouts + of.unsent).to_string());
    row("p50", &|of| duration(of.latency_us.p50 as f64));
    row("p99", &|of| duration(of.latency_us.p99 as f64));
    row("p99.9", &|of| duration(of.latency_us.p99_9 as f64));
    row("worst", &|of| duration(of.latency_us.max as f64));
    let at = out.rfind("</h1>\n").map_or(out.len(), |at| at + "</h1>\n".len());
    out.insert_str(at, &(head + "</tr>\n"));
    out.push_str("</table>\n");
    for run in runs {
        if let Some(doubt) = &run.report.doubt {
            let _ = writeln!(out, "<p class=\"doubt\">{}: {}</p>", encode_text(run.name), encode_text(doubt));
        }
    }
}

/// What is drawn along which axes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Axis {
    /// Latency by nines.
    Nines,
    /// Latency over seconds.
    Seconds,
    /// Requests a second over seconds.
    Rate,
}

fn picture(out: &mut String, title: &str, runs: &[Vec<Points>], most: f64, axis: Axis) -> Result<(), String> {
    let mut svg = String::new();
    draw(&mut svg, runs, most, axis).map_err(|fault| format!("cannot draw: {fault}"))?;
    for (colour, name) in NAMES {
        let written = format!("\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);
        svg = svg.replace(&written, &format!("\"var(--{name})\""));
    }
    let _ = writeln!(out, "<figure>\n<figcaption>{title}</figcaption>\n{svg}</figure>");
    Ok(())
}

fn draw(svg: &mut String, runs: &[Vec<Points>], most: f64, axis: Axis) -> Drawn<()> {
    let values = || runs.iter().flatten().flatten().map(|(_, y)| *y);
    let (least, top) = (values().fold(f64::MAX, f64::min), values().fold(1.0, f64::max));
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&root);
    chart.margin(8).margin_right(24).x_label_area_size(32).y_label_area_size(64);
    let told = |fault: &dyn std::fmt::Display| fault.to_string();
    if axis == Axis::Rate {
        let mut chart = chart.build_cartesian_2d(0.0..most, 0.0..top * 1.1).map_err(|fault| told(&fault))?;
        return lines(&mut chart, runs, axis);
    }
    let least = if least < top { least.max(1.0) } else { top / 2.0 };
    let logarithmic = (least * 0.8..top * 1.25).log_scale();
    let mut chart = chart.build_cartesian_2d(0.0..most, logarithmic).map_err(|fault| told(&fault))?;
    lines(&mut chart, runs, axis)
}

fn lines<Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>,
    runs: &[Vec<Points>],
    axis: Axis,
) -> Drawn<()>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let text = ("sans-serif", 13).into_font().color(&INK);
    let x = |x: &f64| match axis {
        Axis::Nines => percent(*x),
        Axis::Seconds | Axis::Rate => format!("{x:.0} s"),
    };
    let y = |y: &f64| match axis {
        Axis::Rate => format!("{y:.0}"),
        Axis::Nines | Axis::Seconds => duration(*y),
    };
    let mut mesh = chart.configure_mesh();
    mesh.axis_style(GRID)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style(text)
        .x_labels(8)
        .y_labels(6)
        .x_label_formatter(&x)
        .y_label_formatter(&y);
    mesh.draw().map_err(|fault| fault.to_string())?;
    for (run, colour) in runs.iter().zip(RUNS) {
        for (points, width) in run.iter().zip([2, 1]) {
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(width));
            chart.draw_series(line).map_err(|fault| fault.to_string())?;
        }
    }
    Ok(())
}

/// As many nines as that, in percent.
fn percent(nines: f64) -> String {
    let percent = 100.0 - 100.0 * 10f64.powf(-nines);
    let decimals = (nines - 2.01).ceil().max(0.0) as usize;
    format!("{percent:.decimals$} %")
}

/// Microseconds in the unit that people would take.
fn duration(us: f64) -> String {
    match us {
        ..1_000.0 => format!("{us:.0} us"),
        ..10_000.0 => format!("{:.1} ms", us / 1e3),
        ..1_000_000.0 => format!("{:.0} ms", us / 1e3),
        _ => format!("{:.1} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_people_read_them() {
        assert_eq!(
            [999.0, 1_500.0, 25_000.0, 2e6].map(duration),
            ["999 us", "1.5 ms", "25 ms", "2.0 s"]
        );
        assert_eq!(
            [0.0, 1.0, 2.0, 3.0, 4.0].map(percent),
            ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"].map(|s| s.to_owned())
        );
        assert!((nines(99.0) - 2.0).abs() < 1e-9);
    }
}
