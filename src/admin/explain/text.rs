//! An explanation for people to read: outcome, who it is about, stages, campaigns, price, ads, and what an exchange
//! would refuse.

use std::fmt::{self, Display};

use super::Explanation;

impl Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => writeln!(f, "no bid: {reason}: {}", self.sentence)?,
            None => writeln!(f, "{}", self.sentence)?,
        }
        for assumed in &self.assumed {
            writeln!(f, "  assumed: {assumed}")?;
        }
        self.write_identity(f)?;
        writeln!(f, "\nstages")?;
        for stage in &self.stages {
            let left = stage.campaigns.map(|left| format!(", {left} campaigns left")).unwrap_or_default();
            let ended = stage.ended.map(|why| format!(", ends here: {why}")).unwrap_or_default();
            writeln!(f, "  {:<9}{:>8.1} us{left}{ended}", stage.stage, stage.us)?;
        }
        self.write_campaigns(f)?;
        section(f, "price", &self.price)?;
        for ad in &self.ads {
            writeln!(f, "\n{ad}")?;
        }
        section(f, "an exchange would reject", &self.exchange_would_reject)
    }
}

impl Explanation {
    fn write_identity(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(identity) = &self.identity else { return Ok(()) };
        writeln!(f, "  {}: {}", identity.result, identity.sentence)?;
        if let Some(forbidden) = &identity.forbidden_by {
            writeln!(f, "  forbidden by {}: {}", forbidden.signal, forbidden.sentence)?;
        }
        for id in &identity.ids {
            writeln!(f, "  {} is {}: {}", id.field, id.led_to, id.sentence)?;
        }
        Ok(())
    }

    fn write_campaigns(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.campaigns.is_empty() {
            writeln!(f, "\ncampaigns")?;
        }
        for row in &self.campaigns {
            let reason = row.reason.unwrap_or("bid");
            writeln!(
                f,
                "  {}/{} at {}: {reason}: {}",
                row.advertiser, row.campaign, row.stage, row.detail
            )?;
        }
        Ok(())
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
}
