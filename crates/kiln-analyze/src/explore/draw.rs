//! What the screen shows.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span as Text};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::keys::HELP;
use super::listing::Change;
use super::rows::Row;
use super::{App, Pane, Prompt, Span};
use crate::cause::Language;
use crate::render::{Bytes, files, line, percent, thousands};

impl App {
    /// Draws everything.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let [main, status] =
            Layout::vertical([Constraint::Min(3), Constraint::Length(1)]).areas(area);
        let left = main.width.saturating_mul(2) / 5;
        let [left, right] =
            Layout::horizontal([Constraint::Length(left.clamp(20, 70)), Constraint::Min(20)])
                .areas(main);
        let layers = u16::try_from(self.subject.layers.len()).unwrap_or(u16::MAX);
        let [top, middle, bottom] = Layout::vertical([
            Constraint::Length(layers.saturating_add(3).min(left.height / 2).max(4)),
            Constraint::Length(8),
            Constraint::Min(0),
        ])
        .areas(left);
        self.draw_layers(frame, top);
        self.draw_layer(frame, middle);
        self.draw_image(frame, bottom);
        match self.pane {
            Pane::Waste => self.draw_waste(frame, right),
            _ => self.draw_tree(frame, right),
        }
        self.draw_status(frame, status);
        if self.help {
            draw_help(frame, area);
        }
    }

    fn color(&self, color: Color) -> Style {
        match self.options.color {
            true => Style::default().fg(color),
            false => Style::default(),
        }
    }

    fn block(&self, title: &str, has_keys: bool) -> Block<'static> {
        let mark = if has_keys { "●" } else { " " };
        let style = match has_keys {
            true => self.color(Color::Cyan).add_modifier(Modifier::BOLD),
            false => Style::default(),
        };
        Block::bordered()
            .title(format!("{mark} {title} "))
            .border_style(style)
    }

    /// A cursor: reversed, with a mark for terminals that cannot.
    fn cursor(line: Line<'static>, is_here: bool) -> Line<'static> {
        match is_here {
            true => line.style(Style::default().add_modifier(Modifier::REVERSED)),
            false => line,
        }
    }

    fn draw_layers(&self, frame: &mut Frame<'_>, area: Rect) {
        let block = self.block("Layers", self.pane == Pane::Layers);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let height = usize::from(inner.height).saturating_sub(1).max(1);
        let first = (self.layer + 1).saturating_sub(height);
        let mut lines = vec![Line::from("  #       size  step").style(Modifier::DIM)];
        let layers = self.subject.layers.iter().enumerate();
        for (number, layer) in layers.skip(first).take(height) {
            let bytes = self.sizes[number];
            let mark = if number == self.layer { '>' } else { ' ' };
            let base = if number < self.subject.base_layers() {
                "·"
            } else {
                " "
            };
            let step = line(layer.step.as_deref().unwrap_or("(no history)"), 200);
            let text = format!(
                "{mark}{number:>3}{base}{:>9}  {step}",
                Bytes(bytes).to_string()
            );
            lines.push(Self::cursor(Line::from(text), number == self.layer));
        }
        frame.render_widget(Paragraph::new(lines), inner);
    }

    fn draw_layer(&self, frame: &mut Frame<'_>, area: Rect) {
        let block = self.block("Layer", false);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let Some(layer) = self.subject.layers.get(self.layer) else {
            return frame.render_widget(Paragraph::new("The image has no layers."), inner);
        };
        let mut lines = vec![
            Line::from(format!("diff id     {}", layer.index.diff_id)),
            Line::from(format!(
                "compressed  {}, {}",
                Bytes(layer.blob),
                layer.media_type
            )),
            Line::from(format!(
                "entries     {}",
                thousands(layer.index.entries.len() as u64)
            )),
        ];
        if let Some(report) = self
            .analysis
            .as_ref()
            .map(|analysis| &analysis.layers[self.layer])
        {
            lines.push(Line::from(format!(
                "hidden      {} of it are seen by no container; it wastes {}",
                Bytes(report.hidden.bytes),
                Bytes(report.wastes.bytes)
            )));
        }
        let step = line(layer.step.as_deref().unwrap_or("(no history)"), 500);
        lines.push(Line::from(format!("step        {step}")));
        let text = Paragraph::new(lines).wrap(Wrap { trim: false });
        frame.render_widget(text, inner);
    }

    fn draw_image(&self, frame: &mut Frame<'_>, area: Rect) {
        let block = self.block(&line(&self.subject.name, 60), false);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let Some(analysis) = &self.analysis else {
            return frame.render_widget(Paragraph::new("being analyzed …"), inner);
        };
        let whole = analysis.stored.bytes;
        let part = |bytes: u64| format!("{} ({})", Bytes(bytes), percent(bytes, whole));
        let mut lines = vec![
            Line::from(format!(
                "size        {}, {} compressed",
                Bytes(whole),
                Bytes(analysis.compressed)
            )),
            Line::from(format!("efficiency  {:.1} %", analysis.efficiency * 100.0)),
            Line::from(format!("waste       {}", part(analysis.waste.bytes))).style(match analysis
                .waste
                .bytes
            {
                0 => Style::default(),
                _ => self.color(Color::Red),
            }),
            Line::from(format!("optional    {}", part(analysis.optional.bytes)))
                .style(self.color(Color::Yellow)),
            Line::from(""),
        ];
        for total in &analysis.causes {
            let bytes = Bytes(total.amount.bytes).to_string();
            let title = total.cause.title(Language::English);
            lines.push(Line::from(format!("{bytes:>9}  {title}")));
        }
        frame.render_widget(Paragraph::new(lines), inner);
    }

    fn draw_tree(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let what = match self.span {
            Span::Layer => format!("Changes of layer {}", self.layer),
            Span::UpTo => format!("Files up to layer {}", self.layer),
        };
        let mut title = what;
        if self.by_size {
            title.push_str(", by size");
        }
        if !self.filter.is_empty() {
            title.push_str(&format!(", with `{}`", line(&self.filter, 30)));
        }
        let block = self.block(&title, self.pane == Pane::Tree);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        self.height = usize::from(inner.height);
        self.rows.scroll(self.height);
        let rows = self.rows.list.iter().enumerate().skip(self.rows.top);
        let lines: Vec<Line<'static>> = rows
            .take(self.height)
            .map(|(at, row)| {
                let is_here = at == self.rows.at && self.pane == Pane::Tree;
                Self::cursor(self.row(row), is_here)
            })
            .collect();
        let text = match lines.is_empty() {
            true => Paragraph::new("nothing to show"),
            false => Paragraph::new(lines),
        };
        frame.render_widget(text, inner);
    }

    fn row(&self, row: &Row) -> Line<'static> {
        let child = row.child();
        let (mark, color) = match child.change {
            _ if self.span == Span::UpTo => (' ', Color::Reset),
            Change::Added => ('+', Color::Green),
            Change::Removed => ('-', Color::Red),
            Change::Modified => ('~', Color::Yellow),
            Change::Unmodified => (' ', Color::Reset),
        };
        let mut facts = format!("{mark} ");
        if self.attributes {
            let owner = format!("{}:{}", child.owner.0, child.owner.1);
            facts.push_str(&format!("{}{} {owner:<9} ", child.letter, mode(child.mode)));
        }
        facts.push_str(&format!("{:>9} ", Bytes(child.bytes).to_string()));
        let sign = match (child.is_directory, row.open) {
            (true, true) => "▾ ",
            (true, false) => "▸ ",
            _ => "  ",
        };
        let name = line(&String::from_utf8_lossy(&child.name), 255);
        let mut name = format!("{}{sign}{name}", "  ".repeat(row.depth.min(60)));
        if child.letter == 'l' {
            let target = String::from_utf8_lossy(&child.target).into_owned();
            name.push_str(&format!(" → {}", line(&target, 200)));
        }
        let style = match self.options.color {
            true if color != Color::Reset => Style::default().fg(color),
            _ => Style::default(),
        };
        Line::from(vec![
            Text::styled(facts, style.add_modifier(Modifier::DIM)),
            Text::styled(name, style),
        ])
    }

    fn draw_waste(&self, frame: &mut Frame<'_>, area: Rect) {
        let block = self.block("What could be saved", true);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let findings = self.analysis.as_ref().map(|analysis| &analysis.findings);
        let Some(findings) = findings else {
            return frame.render_widget(Paragraph::new("being analyzed …"), inner);
        };
        if findings.is_empty() {
            return frame.render_widget(Paragraph::new("Nothing."), inner);
        }
        let [list, details] =
            Layout::vertical([Constraint::Percentage(50), Constraint::Min(8)]).areas(inner);
        let height = usize::from(list.height).max(1);
        let first = (self.waste_at + 1).saturating_sub(height);
        let rows = findings.iter().enumerate().skip(first).take(height);
        let lines: Vec<Line<'static>> = rows
            .map(|(at, finding)| {
                let mark = if at == self.waste_at { '>' } else { ' ' };
                let bytes = Bytes(finding.amount.bytes).to_string();
                let place = match finding.by == finding.layer {
                    true => format!("layer {}", finding.layer),
                    false => format!("layer {}, by {}", finding.layer, finding.by),
                };
                let title = finding.cause.title(Language::English);
                let text = format!("{mark}{bytes:>9}  {title}  ({place})");
                let style = match finding.cause.is_waste() {
                    true => self.color(Color::Red),
                    false => self.color(Color::Yellow),
                };
                Self::cursor(Line::from(Text::styled(text, style)), at == self.waste_at)
            })
            .collect();
        frame.render_widget(Paragraph::new(lines), list);
        let finding = &findings[self.waste_at.min(findings.len() - 1)];
        let mut lines = vec![
            Line::from(""),
            Line::from(format!(
                "step  {}",
                line(finding.step.as_deref().unwrap_or("(no history)"), 400)
            )),
            Line::from(format!("fix   {}", finding.fix)).style(self.color(Color::Green)),
            Line::from(format!(
                "{}, about {} compressed:",
                files(finding.amount.files),
                Bytes(finding.amount.compressed)
            )),
        ];
        for example in &finding.examples {
            let bytes = Bytes(example.bytes).to_string();
            let same = example
                .same_as
                .as_ref()
                .map(|path| format!("  as /{}", line(path, 160)));
            lines.push(Line::from(format!(
                "{bytes:>9}  /{}{}",
                line(&example.path, 160),
                same.unwrap_or_default()
            )));
        }
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), details);
    }

    fn draw_status(&self, frame: &mut Frame<'_>, area: Rect) {
        let text = match (&self.prompt, &self.message) {
            (Some(Prompt::Filter(text)), _) => format!("show only paths with: {text}▏"),
            (Some(Prompt::Extract { name, .. }), _) => format!("write to: {name}▏"),
            (None, Some(message)) => line(message, 300),
            (None, None) => {
                let at = match self.rows.list.len() {
                    0 => String::new(),
                    rows => format!(
                        "  {}/{}",
                        thousands(self.rows.at as u64 + 1),
                        thousands(rows as u64)
                    ),
                };
                format!(
                    "? help  Tab pane  / filter  s size  w waste  Ctrl+L layer  Ctrl+A all  e extract  q quit{at}"
                )
            }
        };
        let style = Style::default().add_modifier(Modifier::REVERSED);
        frame.render_widget(Paragraph::new(text).style(style), area);
    }
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let height = u16::try_from(HELP.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let (width, height) = (area.width.min(80), area.height.min(height));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let lines = HELP
        .iter()
        .map(|(keys, what)| Line::from(format!(" {keys:<16} {what}")));
    let block = Block::bordered().title(" Keys ");
    frame.render_widget(Clear, place);
    frame.render_widget(
        Paragraph::new(lines.collect::<Vec<_>>()).block(block),
        place,
    );
}

/// `rwxr-xr-x`, with the set-id and sticky bits as `ls` shows them.
fn mode(mode: u32) -> String {
    let mut text = String::with_capacity(9);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn modes_look_as_in_ls() {
        assert_eq!(super::mode(0o755), "rwxr-xr-x");
        assert_eq!(super::mode(0o4644), "rwSr--r--");
        assert_eq!(super::mode(0o1777), "rwxrwxrwt");
    }
}
