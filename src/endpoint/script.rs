//! Timed scripts for a serial line, as JSON: `[{"dtr":false},{"wait_ms":100},{"rts":true}]`. The scripts run
//! on the board, so that a bootloader's reset works over a slow link.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::line::{FlowControl, Flush, Format, LineStep};

/// One step of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An operation on the line, which is done at once.
    Line(LineStep),
    /// A pause of this length.
    Wait(Duration),
}

/// A script that was parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The steps, each with its index in the request.
    pub steps: Vec<(usize, Step)>,
}

/// Why a script could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadScript {
    /// The faulty step, counted from 0. `None`: the whole script.
    pub step: Option<usize>,
    /// The explanation, one sentence.
    pub detail: String,
}

impl fmt::Display for BadScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// The most steps of one script.
const MAX_STEPS: usize = 64;
/// The longest time of all pauses, because no peer's bytes pass while a script runs.
const MAX_TIME: Duration = Duration::from_secs(10);

/// One object of the list. Its keys name the operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    dtr: Option<bool>,
    rts: Option<bool>,
    wait_ms: Option<u64>,
    break_ms: Option<u64>,
    baud: Option<u32>,
    format: Option<String>,
    flow: Option<String>,
    flush: Option<String>,
}

impl Script {
    /// Parses a JSON list of steps. An empty list only reads the line's state.
    pub fn parse(json: &str) -> Result<Self, BadScript> {
        let whole = |detail: String| BadScript { step: None, detail };
        let list: Vec<serde_json::Value> =
            serde_json::from_str(json).map_err(|error| whole(format!("not a list: {error}")))?;
        if list.len() > MAX_STEPS {
            return Err(whole(format!("a script has at most {MAX_STEPS} steps")));
        }
        let mut script = Self::default();
        let mut time = Duration::ZERO;
        for (index, value) in list.into_iter().enumerate() {
            let bad = |detail: String| BadScript {
                step: Some(index),
                detail,
            };
            let fields: Fields =
                serde_json::from_value(value).map_err(|error| bad(error.to_string()))?;
            for step in fields.steps().map_err(bad)? {
                if let Step::Wait(wait) = step {
                    time = time.saturating_add(wait);
                }
                script.steps.push((index, step));
            }
            if time > MAX_TIME {
                let most = MAX_TIME.as_secs();
                return Err(bad(format!("a script waits at most {most} s in all")));
            }
        }
        Ok(script)
    }
}

impl Fields {
    fn steps(self) -> Result<Vec<Step>, String> {
        let Self {
            dtr,
            rts,
            wait_ms,
            break_ms,
            baud,
            format,
            flow,
            flush,
        } = self;
        let mut steps = Vec::new();
        let mut kinds = 0;
        let mut add = |new: &[Step]| {
            kinds += 1;
            steps.extend_from_slice(new);
        };
        if dtr.is_some() || rts.is_some() {
            add(&[Step::Line(LineStep::Modem { dtr, rts })]);
        }
        if let Some(ms) = wait_ms {
            add(&[Step::Wait(Duration::from_millis(ms))]);
        }
        if let Some(ms) = break_ms {
            add(&[
                Step::Line(LineStep::Break(true)),
                Step::Wait(Duration::from_millis(ms)),
                Step::Line(LineStep::Break(false)),
            ]);
        }
        if let Some(baud) = baud {
            if !(50..=20_000_000).contains(&baud) {
                return Err(format!("baud must be from 50 to 20000000, not {baud}"));
            }
            add(&[Step::Line(LineStep::Baud(baud))]);
        }
        if let Some(text) = format {
            let format = Format::parse(&text);
            let format = format.ok_or_else(|| format!("format is like \"8N1\", not {text:?}"))?;
            add(&[Step::Line(LineStep::Format(format))]);
        }
        if let Some(word) = flow {
            let flow = choose("flow", &FlowControl::NAMES, &word)?;
            add(&[Step::Line(LineStep::Flow(flow))]);
        }
        if let Some(word) = flush {
            let flush = choose("flush", &Flush::NAMES, &word)?;
            add(&[Step::Line(LineStep::Flush(flush))]);
        }
        match kinds {
            1 => Ok(steps),
            0 => Err("a step says what to do".to_owned()),
            // Several operations in one step would have no defined order.
            _ => Err("a step does one thing (dtr and rts may be together)".to_owned()),
        }
    }
}

fn choose<T: Copy>(key: &str, choices: &[(&str, T)], word: &str) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("{key} is one of {}, not {word:?}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(json: &str) -> Vec<Step> {
        let script = Script::parse(json).expect(json);
        script.steps.into_iter().map(|(_, step)| step).collect()
    }

    #[test]
    fn a_script_is_a_list_of_steps() {
        let ms = |n| Step::Wait(Duration::from_millis(n));
        let modem = |dtr, rts| Step::Line(LineStep::Modem { dtr, rts });
        assert_eq!(
            steps(r#"[{"dtr":false},{"wait_ms":100},{"dtr":true,"rts":false},{"break_ms":5}]"#),
            [
                modem(Some(false), None),
                ms(100),
                modem(Some(true), Some(false)),
                Step::Line(LineStep::Break(true)),
                ms(5),
                Step::Line(LineStep::Break(false)),
            ]
        );
        let seven = Format::parse("7E1").unwrap();
        assert_eq!(
            steps(r#"[{"baud":57600},{"format":"7E1"},{"flow":"rts-cts"},{"flush":"both"}]"#),
            [
                Step::Line(LineStep::Baud(57_600)),
                Step::Line(LineStep::Format(seven)),
                Step::Line(LineStep::Flow(FlowControl::RtsCts)),
                Step::Line(LineStep::Flush(Flush::Both)),
            ]
        );
        assert_eq!(steps("[]"), []);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_step() {
        let long = format!("[{}]", vec![r#"{"dtr":true}"#; 65].join(","));
        for (json, step) in [
            ("", None),
            ("{}", None),
            (long.as_str(), None),
            (r#"[{"dtr":true},{}]"#, Some(1)),
            (r#"[{"dtr":1}]"#, Some(0)),
            (r#"[{"fly":true}]"#, Some(0)),
            (r#"[{"dtr":true,"baud":9600}]"#, Some(0)),
            (r#"[{"baud":1}]"#, Some(0)),
            (r#"[{"format":"8N"}]"#, Some(0)),
            (r#"[{"flush":"all"}]"#, Some(0)),
            (r#"[{"wait_ms":9000},{"break_ms":1001}]"#, Some(1)),
            (
                r#"[{"wait_ms":18446744073709551615},{"wait_ms":1}]"#,
                Some(0),
            ),
        ] {
            let error = Script::parse(json).expect_err(json);
            assert_eq!(error.step, step, "{json}: {error}");
        }
    }
}
