//! Looks which databases there are on every server. Each look also removes what killed processes left there.

use crate::Control;
use domain::Result;
use futures::StreamExt;

/// Servers that are looked at together: one that does not answer holds up few.
const AT_ONCE: usize = 4;

impl Control {
    pub(crate) async fn discover_all(&self) -> Result<String> {
        let servers = self.catalog.servers().await?;
        let all = servers.len();
        let looks = servers.into_iter().map(|server| {
            let control = self.clone();
            async move { control.discover(&server).await.is_ok() }
        });
        let reached: Vec<bool> = futures::stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        let reached = reached.into_iter().filter(|reached| *reached).count();
        self.underway.changed();
        Ok(match reached {
            _ if all == 0 => "There is no server yet.".into(),
            reached if all == 1 => format!("The server was {}reached.", if reached == 1 { "" } else { "not " }),
            reached if reached == all => format!("All {all} servers were reached."),
            reached => format!("{reached} of {all} servers were reached."),
        })
    }
}
