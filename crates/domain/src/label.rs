//! The readable name of a backup.

use crate::{BackupKind, BackupType, Code, Error, Result};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::{fmt, str::FromStr};

/// A backup's UTC time (to the second), kind and type: `2026-11-22-03-00-00Z.full-backup`.
///
/// Labels of one database order as their times do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    at: Timestamp,
    kind: BackupKind,
    backup_type: BackupType,
}

const TIME: &str = "%Y-%m-%d-%H-%M-%SZ";

impl Label {
    /// The label of a backup begun at `at`; fractions of a second are dropped.
    #[must_use]
    pub fn new(at: Timestamp, kind: BackupKind, backup_type: BackupType) -> Self {
        let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
        Self { at, kind, backup_type }
    }

    /// When the backup began.
    #[must_use]
    pub fn at(self) -> Timestamp {
        self.at
    }

    /// Full or incremental.
    #[must_use]
    pub fn kind(self) -> BackupKind {
        self.kind
    }

    /// Logical or snapshot.
    #[must_use]
    pub fn backup_type(self) -> BackupType {
        self.backup_type
    }

    /// The time part alone, as chain folders begin: `2026-11-22-03-00-00Z`.
    #[must_use]
    pub fn time(self) -> String {
        self.at.strftime(TIME).to_string()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}-{}", self.time(), self.kind.as_str(), self.backup_type.as_name())
    }
}

impl FromStr for Label {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = (|| {
            let (time, rest) = text.split_once('.')?;
            let (kind, backup_type) = rest.split_once('-')?;
            let kind = [BackupKind::Full, BackupKind::Incremental].into_iter().find(|k| k.as_str() == kind)?;
            let backup_type = [BackupType::Logical, BackupType::Snapshot].into_iter().find(|t| t.as_name() == backup_type)?;
            let at = DateTime::strptime(TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
            let label = Self { at, kind, backup_type };
            (label.to_string() == text).then_some(label)
        })();
        parsed.ok_or_else(|| {
            Error::new(
                Code::Usage,
                format!("{text:?} is not the label of a backup."),
                "Give one as `rookery list` prints it, such as 2026-11-22-03-00-00Z.full-backup.",
            )
        })
    }
}

impl serde::Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Label {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_reads_back_as_it_prints() {
        let at: Timestamp = "2026-11-22T03:00:00.987Z".parse().unwrap();
        let label = Label::new(at, BackupKind::Full, BackupType::Logical);
        assert_eq!(label.to_string(), "2026-11-22-03-00-00Z.full-backup");
        assert_eq!(label.to_string().parse::<Label>().unwrap(), label);
    }

    #[test]
    fn what_is_not_a_label_is_refused() {
        for text in [
            "",
            "2026-11-22-03-00-00Z",
            "2026-11-22-03-00-00Z.full",
            "2026-13-22-03-00-00Z.full-backup",
            "x.full-backup",
            "2026-11-22-03-00-00Z.full-backup.zip",
        ] {
            assert_eq!(text.parse::<Label>().unwrap_err().code(), Code::Usage, "{text}");
        }
    }
}
