//! A terminal: rows that stay, and below them a list that is drawn anew in its place.

use std::io::{self, IsTerminal, Stdout, Write, stdout};

use crossterm::{
    cursor::{Hide, MoveToColumn, MoveUp, Show},
    queue,
    style::{Attribute, Color, Print, SetAttribute, SetForegroundColor},
    terminal::{Clear, ClearType, size},
};
use unicode_width::UnicodeWidthStr;

use crate::watch::frame::{Paint, PaintedRow};

/// The size of a terminal that does not know its own.
const USUAL: (u16, u16) = (80, 24);

/// The terminal on standard output, with the cursor hidden until this is dropped.
pub(crate) struct Screen {
    out: Stdout,
    has_colours: bool,
    /// The widths of the rows of the list that is drawn.
    drawn: Vec<usize>,
}

impl Screen {
    /// Whether standard output is a terminal that can move its cursor.
    pub(crate) fn is_there(term: Option<&str>) -> bool {
        stdout().is_terminal() && !matches!(term, None | Some("" | "dumb"))
    }

    /// Hides the cursor.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn open(has_colours: bool) -> io::Result<Self> {
        let mut screen = Self {
            out: stdout(),
            has_colours,
            drawn: Vec::new(),
        };
        queue!(screen.out, Hide)?;
        screen.out.flush()?;
        Ok(screen)
    }

    /// Columns and rows, as they are now.
    pub(crate) fn size() -> (usize, usize) {
        let (columns, rows) = size().unwrap_or(USUAL);
        let (columns, rows) = if columns == 0 { USUAL } else { (columns, rows) };
        (columns.into(), rows.into())
    }

    /// Writes rows that stay, and the list below them.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn draw(&mut self, lasting: &[PaintedRow], list: &[PaintedRow]) -> io::Result<()> {
        self.erase()?;
        for row in lasting.iter().chain(list) {
            self.write(row)?;
            queue!(self.out, Print("\n"))?;
        }
        let width = |row: &PaintedRow| row.iter().map(|(_, text)| text.width()).sum();
        self.drawn = list.iter().map(width).collect();
        self.out.flush()
    }

    /// Takes the list away.
    fn erase(&mut self) -> io::Result<()> {
        // In a terminal that has become narrower, rows have become several.
        let (columns, _) = Self::size();
        let rows = |width: &usize| width.div_ceil(columns).max(1);
        let rows: usize = self.drawn.iter().map(rows).sum();
        self.drawn.clear();
        queue!(self.out, MoveToColumn(0))?;
        if rows > 0 {
            queue!(self.out, MoveUp(u16::try_from(rows).unwrap_or(u16::MAX)))?;
        }
        queue!(self.out, Clear(ClearType::FromCursorDown))
    }

    fn write(&mut self, row: &PaintedRow) -> io::Result<()> {
        for (paint, text) in row {
            if !self.has_colours {
                queue!(self.out, Print(text))?;
                continue;
            }
            match paint {
                Paint::Plain => {}
                Paint::Dim => queue!(self.out, SetAttribute(Attribute::Dim))?,
                Paint::Bold => queue!(self.out, SetAttribute(Attribute::Bold))?,
                Paint::Good => queue!(self.out, SetForegroundColor(Color::DarkGreen))?,
                Paint::Poor => queue!(self.out, SetForegroundColor(Color::DarkYellow))?,
                Paint::Bad => queue!(self.out, SetForegroundColor(Color::DarkRed))?,
                Paint::Odd => queue!(self.out, SetForegroundColor(Color::DarkMagenta))?,
            }
            queue!(self.out, Print(text), SetAttribute(Attribute::Reset))?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    /// Takes the list away, which would look live, and shows the cursor.
    fn drop(&mut self) {
        // The terminal may be gone, and then there is nothing to restore.
        let _ = self.erase();
        let _ = queue!(self.out, Show);
        let _ = self.out.flush();
    }
}
