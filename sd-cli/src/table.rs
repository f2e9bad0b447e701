//! Columns of text, with colours where they are wanted.

/// What a cell means, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Heading,
    Good,
    Warning,
    Bad,
    Faint,
}

/// One cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// What others have written may hold control characters, which a terminal would obey; they are shown as `�`.
    pub(crate) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        let text = text.as_ref().chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
        Self { text, tone }
    }

    /// What is shown.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Columns of text under headings.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these headings and no rows.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| Cell::new(heading, Tone::Heading)).collect()] }
    }

    /// A table without headings.
    pub(crate) fn bare() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as lines, none longer than `width` characters where that is given.
    pub(crate) fn render(&self, colours: bool, width: Option<usize>) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for row in &self.rows {
            let mut left = width.unwrap_or(usize::MAX);
            // Columns without content in this row and after it leave no blanks at its end.
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
            for (index, (cell, width)) in row[..last].iter().zip(&widths).enumerate() {
                let shown: String = cell.text.chars().take(left).collect();
                let length = shown.chars().count();
                text.push_str(&painted(&shown, cell.tone, colours));
                left -= length;
                if index + 1 < last {
                    let blanks = (width - cell.text.chars().count() + 2).min(left);
                    text.extend(std::iter::repeat_n(' ', blanks));
                    left -= blanks;
                }
            }
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column| self.rows.iter().filter_map(|row: &Vec<Cell>| row.get(column)).map(length_of).max();
        (0..columns).map(|column| width(column).unwrap_or_default()).collect()
    }
}

fn length_of(cell: &Cell) -> usize {
    cell.text.chars().count()
}

/// The text in its tone's colour.
pub(crate) fn painted(text: &str, tone: Tone, colours: bool) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Heading => "1",
        Tone::Good => "32",
        Tone::Warning => "33",
        Tone::Bad => "31",
        Tone::Faint => "2",
    };
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["ID", "HEALTH", "ZONE"]);
        table.row(["a:1".into(), Cell::new("up", Tone::Good), "eu".into()]);
        table.row(["longer:2".into(), Cell::new("down", Tone::Bad), "".into()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_and_lines_end_without_blanks() {
        assert_eq!(table().render(false, None), "ID        HEALTH  ZONE\na:1       up      eu\nlonger:2  down\n");
        assert_eq!(table().render(false, Some(12)), "ID        HE\na:1       up\nlonger:2  do\n");
    }

    #[test]
    fn colours_are_written_only_where_they_are_wanted_and_strangers_write_none() {
        assert!(table().render(true, None).contains("\x1b[32mup\x1b[0m"));
        assert!(!table().render(false, None).contains('\x1b'));
        let mut table = table();
        table.row(["\x1b[2J\n\u{9b}".into()]);
        assert!(table.render(false, None).ends_with("\u{FFFD}[2J\u{FFFD}\u{FFFD}\n"));
    }
}
