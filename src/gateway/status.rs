//! How the daemon does, in one line for people.

use crate::devices::Table;

/// Endpoints that are named in it, of those that are not as they should be.
const NAMED: usize = 3;

/// Returns a line for `systemctl status`: "1 session; 2 of 3 endpoints open, arm absent".
pub(super) fn line(sessions: usize, table: &Table) -> String {
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let mut text = format!("{sessions} session{}", plural(sessions));
    let states = table.names().filter_map(|(name, id)| {
        let view = table.view(id)?;
        Some((name, view.state.as_str()))
    });
    let states: Vec<_> = states.collect();
    if states.is_empty() {
        return text + "; no endpoints";
    }
    let others: Vec<_> = states
        .iter()
        .filter(|(_, state)| *state != "open")
        .collect();
    let (all, open) = (states.len(), states.len() - others.len());
    text += &format!("; {open} of {all} endpoint{} open", plural(all));
    for (name, state) in others.iter().take(NAMED) {
        text += &format!(", {name} {state}");
    }
    if others.len() > NAMED {
        text += ", \u{2026}";
    }
    text
}
