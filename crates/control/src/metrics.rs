//! What a monitoring system reads, in the text format of Prometheus.

use crate::{Control, survey::Survey};
use catalog::RoundTotals;
use domain::{Code, Error, Result, display, view::server::Tally};
use jiff::{SignedDuration, Timestamp};
use std::{
    fmt::{Display, Write},
    time::Instant,
};

/// How far back runs are counted.
const BACK: SignedDuration = SignedDuration::from_hours(24);

/// The text, metric by metric.
#[derive(Default)]
struct Text(String);

impl Text {
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP rookery_{name} {help}\n# TYPE rookery_{name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "rookery_{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, help: &str, value: impl Display) {
        self.metric(name, "gauge", help);
        self.value(name, &[], value);
    }
}

/// Names are hostile text here, too.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Control {
    /// All metrics. What the catalog cannot tell at the moment is left out, and `rookery_catalog_up` says so.
    pub async fn metrics(&self) -> String {
        let mut text = Text::default();
        text.metric("build_info", "gauge", "Version of the console.");
        text.value("build_info", &[("version", self.version)], 1);
        let (waiting, working) = self.underway.counts();
        text.one("runs_waiting", "Runs that wait for a place or for their next attempt.", waiting);
        text.one("runs_working", "Runs that work.", working);
        text.one("live_screens", "Runs and rounds that somebody follows.", self.underway.live.len());
        self.background_metrics(&mut text);
        let mut facts = Text::default();
        let up = match self.catalog_metrics(&mut facts).await {
            Ok(()) => 1,
            Err(error) => {
                tracing::warn!(?error, "metrics could not be read from the catalog");
                0
            }
        };
        text.one("catalog_up", "Whether the catalog answers.", up);
        text.0 + &facts.0
    }

    /// Whether the console can do its work: its catalog can be read and written, all background work comes round, and it is not
    /// stopping.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<()> {
        if self.underway.stopping.is_cancelled() {
            return Err(Error::new(Code::Busy, "The console is being stopped.", "Ask again after it was started."));
        }
        if let Some((piece, away)) = self.underway.background.stuck(Instant::now()) {
            let sentence = format!("The background work {:?} has not come round for {}.", piece.as_str(), display::duration(away));
            return Err(Error::new(
                Code::Silent,
                sentence,
                "Look into the console's log for what holds it up, or start the console again.",
            ));
        }
        self.catalog.ready().await
    }

    fn background_metrics(&self, text: &mut Text) {
        let all = self.underway.background.statuses();
        text.metric("background_last_seconds", "gauge", "When a piece of background work was done last, as a Unix time.");
        all.iter().for_each(|(piece, status)| text.value("background_last_seconds", &[("work", piece.label())], status.at.as_second()));
        text.metric("background_took_seconds", "gauge", "How long that took.");
        for (piece, status) in &all {
            text.value("background_took_seconds", &[("work", piece.label())], status.took.as_secs_f64());
        }
        text.metric("background_failed", "gauge", "Whether it could not be done.");
        all.iter().for_each(|(piece, status)| text.value("background_failed", &[("work", piece.label())], u8::from(status.failed)));
        text.metric("background_failures_total", "counter", "How often it could not be done since the start.");
        all.iter().for_each(|(piece, status)| text.value("background_failures_total", &[("work", piece.label())], status.failures));
    }

    async fn catalog_metrics(&self, text: &mut Text) -> Result<()> {
        let now = Timestamp::now();
        let survey = Survey::of_all(self, now).await?;
        let lines: Vec<_> = survey.servers().map(|server| survey.server_line(server)).collect();
        text.metric("databases", "gauge", "Databases by server and by how safe they are.");
        for line in &lines {
            let Tally { protected, overdue, never, uncovered } = line.tally;
            for (state, count) in [("protected", protected), ("overdue", overdue), ("never", never), ("uncovered", uncovered)] {
                text.value("databases", &[("server", &line.name), ("state", state)], count);
            }
        }
        text.metric("server_reached", "gauge", "Whether a server was reached at the last look.");
        for line in &lines {
            let reached = line.seen.as_ref().is_some_and(|seen| seen.error.is_none());
            text.value("server_reached", &[("server", &line.name)], u8::from(reached));
        }
        text.metric("last_round_seconds", "gauge", "When the last round of a server began, as a Unix time.");
        for (line, round) in lines.iter().filter_map(|line| Some((line, line.last_round.as_ref()?))) {
            text.value("last_round_seconds", &[("server", &line.name)], round.began_at.as_second());
        }
        text.one("databases_failing", "Databases whose newest backup run that ended did not succeed.", self.catalog.failing_count().await?);
        self.run_metrics(text, now).await?;
        let destinations = self.catalog.destinations().await?;
        let space = self.catalog.space_per_destination().await?;
        text.metric("destination_bytes", "gauge", "Bytes of the backups at a destination.");
        for (destination, space) in destinations.iter().filter_map(|it| Some((it, space.iter().find(|space| space.destination == it.id)?)))
        {
            text.value("destination_bytes", &[("destination", &destination.name)], space.bytes);
        }
        text.metric("destination_readable", "gauge", "Whether a destination could be read at the last look.");
        for destination in destinations.iter().filter(|it| it.read_at.is_some()) {
            text.value("destination_readable", &[("destination", &destination.name)], u8::from(destination.read_error.is_none()));
        }
        Ok(())
    }

    /// Counted by rounds, whose totals an index holds.
    async fn run_metrics(&self, text: &mut Text, now: Timestamp) -> Result<()> {
        let rounds = self.catalog.rounds_between(now.saturating_sub(BACK).unwrap_or(now), now).await?;
        let rounds: Vec<_> = rounds.iter().map(|round| round.id).collect();
        let totals = self.catalog.round_totals(&rounds).await?;
        let sum = |count: fn(&RoundTotals) -> u64| totals.values().map(count).sum::<u64>();
        let (runs, succeeded, failed) = (sum(|totals| totals.runs), sum(|totals| totals.succeeded), sum(|totals| totals.failed));
        let help = "Backup runs of the rounds that began within 24 hours, by how they ended: failed are aborted and interrupted ones, too.";
        text.metric("backup_runs_last_day", "gauge", help);
        for (state, count) in [("succeeded", succeeded), ("failed", failed), ("open", runs - succeeded - failed)] {
            text.value("backup_runs_last_day", &[("state", state)], count);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_within_their_label() {
        let mut text = Text::default();
        text.value("databases", &[("server", "a\"} 1\nrookery_fake 2 \\")], 3);
        assert_eq!(text.0, "rookery_databases{server=\"a\\\"} 1\\nrookery_fake 2 \\\\\"} 3\n");
    }
}
