//! A live table.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write as _};

use sd_core::{Freshness, Instance, ServiceName, Snapshot};
use tokio::time::Instant;

use super::followed::News;
use crate::instances::{row, table};
use crate::output::colours;
use crate::table::{Cell, Tone, painted};

/// How many of the last changes are shown below the table.
const RECENT: usize = 8;
/// What is left where the terminal does not say how large it is.
const SIZE: (usize, usize) = (80, 24);

/// What is shown, and what has happened lately.
pub(crate) struct Screen {
    registry: String,
    services: BTreeMap<ServiceName, Snapshot>,
    recent: VecDeque<(Instant, Tone, String)>,
}

impl Screen {
    pub(crate) fn new(registry: String) -> Self {
        Self { registry, services: BTreeMap::new(), recent: VecDeque::new() }
    }

    /// Takes news in; draws nothing.
    pub(crate) fn note(&mut self, news: News) {
        let News { service, snapshot, delta, first } = news;
        // Who is there from the beginning has not come lately.
        if !first {
            let name = |instance: &Instance| format!("{service} {}", instance.id());
            delta.added.iter().for_each(|instance| self.happened(Tone::Good, format!("+ {}", name(instance))));
            delta.changed.iter().for_each(|instance| self.happened(Tone::Warning, format!("~ {}", name(instance))));
            delta.removed.iter().for_each(|instance| self.happened(Tone::Bad, format!("- {}", name(instance))));
        }
        if snapshot.is_empty() && snapshot.freshness().is_live() && self.services.len() > 1 {
            self.services.remove(&service);
        } else {
            self.services.insert(service, snapshot);
        }
    }

    /// Draws over what was drawn before.
    ///
    /// # Errors
    /// When stdout takes nothing.
    pub(crate) fn draw(&self) -> io::Result<()> {
        let size = terminal_size::terminal_size()
            .map_or(SIZE, |(width, height)| (usize::from(width.0), usize::from(height.0)));
        let drawn = self.drawn(colours(), size, Instant::now());
        let mut out = io::stdout().lock();
        // To the top; each line is cleared to its end, and what is below them to the bottom.
        write!(out, "\x1b[H{}\x1b[J", drawn.replace('\n', "\x1b[K\r\n"))?;
        out.flush()
    }

    fn happened(&mut self, tone: Tone, what: String) {
        self.recent.truncate(RECENT - 1);
        self.recent.push_front((Instant::now(), tone, what));
    }

    /// At most `height - 1` lines, so that the last end of line scrolls nothing.
    fn drawn(&self, colours: bool, (width, height): (usize, usize), now: Instant) -> String {
        let mut text = painted(&cut(&format!("{}  Ctrl-C ends", self.registry), width), Tone::Faint, colours) + "\n";
        for (service, snapshot) in &self.services {
            let (state, tone) = freshness(snapshot);
            let heading = cut(&format!("{service}: {} known, {state}", snapshot.len()), width);
            text.extend(["\n", &*painted(&heading, tone, colours), "\n"]);
            if !snapshot.is_empty() {
                let mut table = table();
                snapshot.iter().for_each(|instance| table.row(row(instance)));
                text.push_str(&table.render(colours, Some(width)));
            }
        }
        let room = height.saturating_sub(1).max(1);
        let below = if self.recent.is_empty() { 0 } else { self.recent.len() + 1 };
        let above = room.saturating_sub(below).max(1);
        let lines: Vec<_> = text.lines().collect();
        let mut shown: Vec<String> = lines.iter().take(above).map(|line| (*line).to_owned()).collect();
        if lines.len() > above
            && let Some(last) = shown.last_mut()
        {
            *last = cut(&format!("… {} lines more", lines.len() - above + 1), width);
        }
        if !self.recent.is_empty() {
            shown.push(String::new());
        }
        shown.extend(self.recent.iter().map(|(when, tone, what)| {
            let line = Cell::new(format!("{what}  {} s ago", now.saturating_duration_since(*when).as_secs()), *tone);
            painted(&cut(line.text(), width), *tone, colours)
        }));
        shown.truncate(room);
        shown.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}

fn freshness(snapshot: &Snapshot) -> (String, Tone) {
    let freshness = snapshot.freshness();
    let because = freshness.error().map(|error| format!(": {error}")).unwrap_or_default();
    match freshness {
        Freshness::Live => ("live".to_owned(), Tone::Heading),
        Freshness::Pending { .. } => (format!("not known yet{because}"), Tone::Warning),
        _ => (format!("stale for {} s{because}", freshness.age().unwrap_or_default().as_secs()), Tone::Bad),
    }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use sd_core::{Address, Delta, FixedInstancer};

    fn news(ids: &[&str], before: Option<&Snapshot>) -> News {
        let instance = |id: &&str| Instance::new("127.0.0.1:1".parse::<Address>().unwrap()).with_id(*id);
        let snapshot = FixedInstancer::new(ids.iter().map(instance)).snapshot();
        let delta = Delta::between(before.unwrap_or(&Snapshot::pending()), &snapshot);
        News { service: "book".parse().unwrap(), snapshot, delta, first: before.is_none() }
    }

    #[test]
    fn what_comes_and_goes_is_told_below_the_table() {
        let mut screen = Screen::new("sd://h".to_owned());
        let first = news(&["a", "b"], None);
        let before = first.snapshot.clone();
        screen.note(first);
        let drawn = screen.drawn(false, SIZE, Instant::now());
        assert!(drawn.starts_with("sd://h  Ctrl-C ends\n\nbook: 2 known, live\nID"), "{drawn}");
        assert!(!drawn.contains('+'), "who is there from the beginning has not come: {drawn}");
        screen.note(news(&["b", "c"], Some(&before)));
        let drawn = screen.drawn(false, SIZE, Instant::now() + Duration::from_secs(3));
        assert!(drawn.ends_with("\n- book a  3 s ago\n+ book c  3 s ago\n"), "{drawn}");
    }

    #[test]
    fn it_never_scrolls_and_never_breaks_a_line() {
        let ids: Vec<_> = (0..100).map(|n| format!("a-rather-long-name-{n:03}")).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let mut screen = Screen::new("sd://h".to_owned());
        let first = news(&ids, None);
        let before = first.snapshot.clone();
        screen.note(first);
        screen.note(news(&ids[1..], Some(&before)));
        for height in [1, 2, 5, 24] {
            let drawn = screen.drawn(false, (30, height), Instant::now());
            assert!(drawn.lines().count() < height.max(2), "{height}: {drawn}");
            assert!(drawn.lines().all(|line| line.chars().count() <= 30), "{drawn}");
        }
        let drawn = screen.drawn(false, (30, 24), Instant::now());
        assert!(drawn.contains("… 83 lines more") && drawn.contains("\n- book a-rather"), "{drawn}");
    }
}
