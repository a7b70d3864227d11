//! The log of a simulated step that runs: it grows as the step does.

use crate::{
    app::App,
    demo::output::OutputLine,
    domain::{
        error::Result,
        id::{LogId, StepId},
        log::LogType,
    },
    service::{
        log::{add_log, append_log, finish_log},
        writer::Writer,
    },
    store::demo_history::NAME,
};

/// A log, and what is still to be written.
pub(crate) struct LiveLog<'a> {
    app: &'a App,
    writer: &'a Writer,
    id: LogId,
    lines: Vec<OutputLine>,
    written: usize,
}

impl<'a> LiveLog<'a> {
    /// Begins the log of a step that will write these lines.
    pub(crate) async fn begin(
        app: &'a App,
        writer: &'a Writer,
        step: StepId,
        lines: Vec<OutputLine>,
    ) -> Result<Self> {
        let (log, _) = add_log(app, writer, step, NAME, LogType::Stdio).await?;
        Ok(Self {
            app,
            writer,
            id: log.id,
            lines,
            written: 0,
        })
    }

    /// Writes what the step has written after so many of its seconds.
    pub(crate) async fn write_until(&mut self, second: u32, seconds: u32) -> Result<()> {
        let count = self.lines.len() * second as usize / seconds.max(1) as usize;
        let count = count.min(self.lines.len());
        while self.written < count {
            let due = self.lines.get(self.written..count).unwrap_or_default();
            let Some((stream, _)) = due.first() else {
                break;
            };
            let (stream, same) = (*stream, due.iter().take_while(|(of, _)| of == stream));
            let texts: Vec<_> = same.map(|(_, text)| text.as_str()).collect();
            let written = texts.len();
            append_log(self.app, self.writer, self.id, texts.join("\n"), stream).await?;
            self.written += written;
        }
        Ok(())
    }

    /// Ends the log as it is.
    pub(crate) async fn finish(self) -> Result<()> {
        finish_log(self.app, self.writer, self.id).await?;
        Ok(())
    }
}
