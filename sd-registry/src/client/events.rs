//! Server-sent events, out of bytes that arrive in any pieces.

/// The largest event that is taken: a snapshot is sent in several.
const LARGEST: usize = 64 << 20;
/// A buffer that an event has made larger than this is given back.
const KEPT: usize = 64 << 10;

/// One event, as the WHATWG's HTML standard (9.2.6) reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Event {
    /// `message` where none is said.
    pub(crate) name: String,
    /// Where to go on after it, if it says so.
    pub(crate) id: Option<String>,
    pub(crate) data: Vec<u8>,
}

/// An event larger than what is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Reads events.
#[derive(Debug, Default)]
pub(crate) struct EventParser {
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    /// The last line ended with CR, so that an LF now belongs to it.
    after_cr: bool,
    event: Event,
    has_data: bool,
}

impl EventParser {
    /// Takes the next bytes; the events that they complete, in their order.
    ///
    /// # Errors
    /// An event above 64 MiB; nothing can be read after it.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut complete = Vec::new();
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            self.room_for(line.len())?;
            if self.line.is_empty() {
                self.take_line(line, &mut complete);
            } else {
                let mut begun = std::mem::take(&mut self.line);
                begun.extend_from_slice(line);
                self.take_line(&begun, &mut complete);
                begun.clear();
                begun.shrink_to(KEPT);
                self.line = begun;
            }
            let crlf = bytes[end] == b'\r';
            self.after_cr = crlf && rest.is_empty();
            bytes = if crlf { rest.strip_prefix(b"\n").unwrap_or(rest) } else { rest };
        }
        self.room_for(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(complete)
    }

    fn room_for(&self, more: usize) -> Result<(), TooLarge> {
        if self.line.len() + self.event.data.len() + more > LARGEST { Err(TooLarge) } else { Ok(()) }
    }

    fn take_line(&mut self, line: &[u8], complete: &mut Vec<Event>) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                let name = if event.name.is_empty() { "message".to_owned() } else { event.name };
                complete.push(Event { name, ..event });
            }
            return;
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &line[line.len()..]),
        };
        match field {
            b"event" => self.event.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => self.event.id = Some(String::from_utf8_lossy(value).into_owned()),
            b"data" => {
                if self.has_data {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
                self.has_data = true;
            }
            // A comment (no field), `retry`, and what nobody knows yet.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(name: &str, id: Option<&str>, data: &str) -> Event {
        Event { name: name.to_owned(), id: id.map(str::to_owned), data: data.as_bytes().to_vec() }
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let text = ": comment\n\nevent: put\nid: 00-7\ndata: {\"a\":1}\n\ndata:one\ndata: two\nretry: 5\n\n\
                    event: no data\n\nid: 1\ndata\n\nnobody: knows\ndata:  x\n\n";
        let expected = [
            event("put", Some("00-7"), "{\"a\":1}"),
            event("message", None, "one\ntwo"),
            event("message", Some("1"), ""),
            event("message", None, " x"),
        ];
        assert_eq!(EventParser::default().push(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn an_event_whose_end_has_not_arrived_is_none() {
        let mut parser = EventParser::default();
        assert_eq!(parser.push(b"data: x\n").unwrap(), []);
        assert_eq!(parser.push(b"\n").unwrap(), [event("message", None, "x")]);
        assert_eq!(parser.push(b"\n").unwrap(), []);
    }

    #[test]
    fn an_event_without_end_is_not_kept_for_ever() {
        let mut parser = EventParser::default();
        let piece = vec![b'x'; 1 << 20];
        let mut pushed = 0;
        while parser.push(&piece).is_ok() {
            pushed += piece.len();
            assert!(pushed <= LARGEST, "{pushed}");
        }
        let mut parser = EventParser::default();
        let line = [b"data: ".as_slice(), &piece, b"\n"].concat();
        let taken = (0..100).take_while(|_| parser.push(&line).is_ok()).count();
        assert_eq!(taken, LARGEST / (piece.len() + 1));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            events in prop::collection::vec(("[a-z]{1,5}", "[a-z0-9 :é\"]{0,20}", "\n|\r\n|\r"), 0..8),
            cuts in prop::collection::vec(0usize..400, 0..12),
        ) {
            let mut text = String::new();
            let mut expected = Vec::new();
            for (name, data, end) in &events {
                text.push_str(&format!("event: {name}{end}id: i{end}data: {data}{end}{end}"));
                expected.push(event(name, Some("i"), data));
            }
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut parser = EventParser::default();
            let mut seen = Vec::new();
            for piece in cuts.windows(2) {
                seen.extend(parser.push(&text.as_bytes()[piece[0]..piece[1]]).unwrap());
            }
            // A CR at the very end may be half of a CRLF, and ends its line all the same.
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = EventParser::default().push(&bytes);
        }
    }
}
