//! A small simulated device with a line shell, for trying thingway without hardware.
//!
//! Every route has its own shell. The LED and the thermometer are shared, as on a real board.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::{
    Action, Count, DeviceState, DropReason, Endpoint, LagPolicy, Message, Outgoing, Unaccepted,
};
use crate::ids::RouteId;

/// The time between two readings, while a peer wants readings.
const READING_INTERVAL: Duration = Duration::from_secs(1);
/// The longest shell line. A longer line is refused.
const MAX_LINE: usize = 256;
/// How many answers may wait for a peer that does not read.
const MAX_WAITING: usize = 256;

const GREETING: &str = "thingway demo device. Type help.\n> ";
const HELP: &str = "help           this text\n\
                    led on|off     switch the LED\n\
                    temp           one temperature reading\n\
                    temp on|off    a reading each second\n\
                    V X Y, stop    run the motors, -1 to 1 each, as the console's Drive does\n";

const AT_REST: [f32; 2] = [0.0, 0.0];

/// The endpoint kind `demo`.
#[derive(Debug)]
pub struct Demo {
    shells: BTreeMap<RouteId, Shell>,
    binary: bool,
    led: bool,
    /// The speeds of the motors, from -1 to 1 each.
    motors: [f32; 2],
    /// Steps of the noise so far. The readings are the same after every start.
    noise: u32,
    next_reading: Option<Instant>,
}

#[derive(Debug, Default)]
struct Shell {
    line: Vec<u8>,
    waiting: VecDeque<Vec<u8>>,
    lost: Count,
    readings: bool,
}

impl Shell {
    fn print(&mut self, text: String) {
        if self.waiting.len() == MAX_WAITING {
            self.lost.add(Count::one(text.len()));
        } else {
            self.waiting.push_back(text.into_bytes());
        }
    }
}

impl Demo {
    /// Returns a device with its LED off. `binary` is the frame type of its answers.
    pub fn new(binary: bool) -> Self {
        Self {
            shells: BTreeMap::new(),
            binary,
            led: false,
            motors: AT_REST,
            noise: 0,
            next_reading: None,
        }
    }

    fn reading(&mut self) -> String {
        // A linear congruential generator (Knuth's constants) is sufficient noise for a thermometer.
        self.noise = self
            .noise
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let tenths = (self.noise >> 24) % 11;
        format!("temp {}.{} C\n", 21 + tenths / 10, tenths % 10)
    }

    /// Sets the motors' speeds. Returns the answer for the route of the command, or `None` if the motors
    /// already run at these speeds, because a driving peer repeats its command twenty times a second.
    fn drive(&mut self, route: RouteId, motors: [f32; 2]) -> Option<String> {
        if motors == self.motors {
            return None;
        }
        let moved = self.motors != AT_REST;
        let moves = motors != AT_REST;
        self.motors = motors;
        if moved != moves {
            let word = if moves { "run" } else { "are at rest" };
            let others = self.shells.iter_mut().filter(|(other, _)| **other != route);
            for (_, shell) in others {
                shell.print(format!("driven: the motors {word}\n"));
            }
        }
        Some(self.motion())
    }

    fn motion(&self) -> String {
        let [x, y] = self.motors;
        if self.motors == AT_REST {
            "the motors are at rest\n".to_owned()
        } else {
            format!("the motors run: x {x:.2} y {y:.2}\n")
        }
    }

    fn run(&mut self, now: Instant, line: &str) -> (String, Option<bool>) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => (String::new(), None),
            ["help"] => (HELP.to_owned(), None),
            ["led"] => (
                format!("led is {}\n", if self.led { "on" } else { "off" }),
                None,
            ),
            ["led", state @ ("on" | "off")] => {
                self.led = *state == "on";
                (format!("led is {state}\n"), None)
            }
            ["temp"] => (self.reading(), None),
            ["temp", "on"] => {
                self.next_reading.get_or_insert(now + READING_INTERVAL);
                (
                    "a reading each second; temp off ends it\n".to_owned(),
                    Some(true),
                )
            }
            ["temp", "off"] => ("no more readings\n".to_owned(), Some(false)),
            [other, ..] => (
                format!("{}: unknown command, try help\n", other.escape_debug()),
                None,
            ),
        }
    }

    fn stop_when_nobody_reads(&mut self) {
        if !self.shells.values().any(|shell| shell.readings) {
            self.next_reading = None;
        }
    }
}

/// Parses a line for the motors, `V 0.5 -1` or `stop`. Returns `None` for other lines.
fn motors(line: &str) -> Option<[f32; 2]> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["stop"] => Some(AT_REST),
        ["V", x, y] => {
            let speed = |word: &str| {
                word.parse()
                    .ok()
                    .filter(|speed| (-1.0..=1.0).contains(speed))
            };
            Some([speed(x)?, speed(y)?])
        }
        _ => None,
    }
}

impl Endpoint for Demo {
    fn attach(&mut self, _now: Instant, route: RouteId) {
        let mut shell = Shell::default();
        shell.print(GREETING.to_owned());
        self.shells.insert(route, shell);
    }

    fn detach(&mut self, route: RouteId) {
        self.shells.remove(&route);
        if self.shells.is_empty() {
            self.motors = AT_REST;
        }
        self.stop_when_nobody_reads();
    }

    fn handle_message(
        &mut self,
        now: Instant,
        route: RouteId,
        message: Message<'_>,
    ) -> Result<(), Unaccepted> {
        let Some(shell) = self.shells.get_mut(&route) else {
            return Ok(());
        };
        if shell.line.len() + message.bytes.len() > MAX_LINE {
            shell.line.clear();
            shell.print(format!("a line has at most {MAX_LINE} bytes\n> "));
            return Err(Unaccepted::Refused(DropReason::TooLarge));
        }
        let mut line = std::mem::take(&mut shell.line);
        for &byte in message.bytes {
            match byte {
                b'\n' | b'\r' => {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    line.clear();
                    // The LF of CR LF ends no second line.
                    if byte == b'\n' && text.is_empty() {
                        continue;
                    }
                    if let Some(motors) = motors(&text) {
                        let said = self.drive(route, motors);
                        if let (Some(said), Some(shell)) = (said, self.shells.get_mut(&route)) {
                            shell.print(format!("{said}> "));
                        }
                        continue;
                    }
                    let (answer, readings) = self.run(now, &text);
                    if let Some(shell) = self.shells.get_mut(&route) {
                        shell.readings = readings.unwrap_or(shell.readings);
                        shell.print(format!("{answer}> "));
                    }
                }
                other => line.push(other),
            }
        }
        if let Some(shell) = self.shells.get_mut(&route) {
            shell.line = line;
        }
        self.stop_when_nobody_reads();
        Ok(())
    }

    fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        let shell = self.shells.get(&route)?;
        match shell.waiting.front() {
            Some(text) => Some(Outgoing::Message(Message {
                binary: self.binary,
                bytes: text,
            })),
            None if shell.lost != Count::default() => Some(Outgoing::Lagged(shell.lost)),
            None => None,
        }
    }

    fn consume_message(&mut self, route: RouteId) {
        if let Some(shell) = self.shells.get_mut(&route)
            && shell.waiting.pop_front().is_none()
        {
            shell.lost = Count::default();
        }
    }

    fn lag_policy(&self) -> LagPolicy {
        LagPolicy::Skip
    }

    fn state(&self) -> DeviceState {
        DeviceState::Open
    }

    fn poll_action(&mut self) -> Option<Action> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_reading
    }

    fn handle_timeout(&mut self, now: Instant) {
        let Some(due) = self.next_reading.filter(|due| *due <= now) else {
            return;
        };
        // After a long sleep of the daemon one reading is enough.
        let next = due + READING_INTERVAL;
        self.next_reading = Some(if next > now {
            next
        } else {
            now + READING_INTERVAL
        });
        let text = self.reading();
        for shell in self.shells.values_mut().filter(|shell| shell.readings) {
            shell.print(text.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn start() -> Instant {
        Instant::now()
    }

    fn send(demo: &mut Demo, now: Instant, route: RouteId, text: &str) -> String {
        let message = Message {
            binary: false,
            bytes: text.as_bytes(),
        };
        demo.handle_message(now, route, message).expect("taken");
        read(demo, route)
    }

    fn read(demo: &mut Demo, route: RouteId) -> String {
        let mut all = String::new();
        while let Some(Outgoing::Message(message)) = demo.message(route) {
            assert!(!message.binary);
            all.push_str(std::str::from_utf8(message.bytes).unwrap());
            demo.consume_message(route);
        }
        all
    }

    #[test]
    fn the_shell_answers_line_by_line_however_it_is_cut() {
        let (mut demo, now) = (Demo::new(false), start());
        let (a, b) = (Id::from_bits(1), Id::from_bits(2));
        demo.attach(now, a);
        demo.attach(now, b);
        assert_eq!(read(&mut demo, a), GREETING);
        assert_eq!(send(&mut demo, now, a, "le"), "");
        assert_eq!(send(&mut demo, now, a, "d on\r\n"), "led is on\n> ");
        assert_eq!(
            send(&mut demo, now, b, "led\n"),
            format!("{GREETING}led is on\n> ")
        );
        assert_eq!(
            send(&mut demo, now, a, "wat\n"),
            "wat: unknown command, try help\n> "
        );
        assert!(send(&mut demo, now, a, "help\n").contains("led on|off"));
        assert!(send(&mut demo, now, a, "temp\n").starts_with("temp 2"));
        let long = Message {
            binary: true,
            bytes: &[b'x'; MAX_LINE + 1],
        };
        let refused = Err(Unaccepted::Refused(DropReason::TooLarge));
        assert_eq!(demo.handle_message(now, a, long), refused);
    }

    #[test]
    fn who_drives_sees_how_the_motors_run_and_others_see_that_they_do() {
        let (mut demo, now) = (Demo::new(false), start());
        let (a, b) = (Id::from_bits(1), Id::from_bits(2));
        demo.attach(now, a);
        demo.attach(now, b);
        read(&mut demo, a);
        read(&mut demo, b);
        assert_eq!(send(&mut demo, now, a, "V 0 0\n"), "", "so they are");
        let said = send(&mut demo, now, a, "V 0.5 -1\nV 0.5 -1\n");
        assert_eq!(said, "the motors run: x 0.50 y -1.00\n> ");
        assert!(send(&mut demo, now, a, "V 1 -0\n").contains("x 1.00"));
        assert_eq!(read(&mut demo, b), "driven: the motors run\n");
        assert_eq!(
            send(&mut demo, now, a, "stop\n"),
            "the motors are at rest\n> "
        );
        assert_eq!(read(&mut demo, b), "driven: the motors are at rest\n");
        for nonsense in ["V 2 0\n", "V 0\n", "V x y\n", "V nan 0\n"] {
            assert!(send(&mut demo, now, a, nonsense).starts_with("V: unknown"));
        }
        send(&mut demo, now, a, "V 1 1\n");
        demo.detach(a);
        demo.detach(b);
        demo.attach(now, a);
        read(&mut demo, a);
        assert_eq!(send(&mut demo, now, a, "V 0 0\n"), "", "nobody was there");
    }

    #[test]
    fn readings_come_each_second_to_who_asked_and_then_end() {
        let (mut demo, mut now) = (Demo::new(false), start());
        let (a, b) = (Id::from_bits(1), Id::from_bits(2));
        demo.attach(now, a);
        demo.attach(now, b);
        read(&mut demo, b);
        assert_eq!(demo.poll_timeout(), None, "nobody asked, nothing ticks");
        send(&mut demo, now, a, "temp on\n");
        for _ in 0..3 {
            now = demo.poll_timeout().expect("a tick");
            demo.handle_timeout(now);
            assert!(read(&mut demo, a).starts_with("temp 2"));
            assert_eq!(read(&mut demo, b), "");
        }
        send(&mut demo, now, a, "temp off\n");
        assert_eq!(demo.poll_timeout(), None);
        send(&mut demo, now, a, "temp on\n");
        demo.detach(a);
        assert_eq!(demo.poll_timeout(), None, "whoever asked has left");
    }

    #[test]
    fn a_peer_that_does_not_read_loses_readings_and_is_told() {
        let (mut demo, now) = (Demo::new(false), start());
        let a = Id::from_bits(1);
        demo.attach(now, a);
        for _ in 0..MAX_WAITING + 4 {
            let message = Message {
                binary: false,
                bytes: b"led\n",
            };
            demo.handle_message(now, a, message).unwrap();
        }
        read(&mut demo, a);
        assert!(matches!(
            demo.message(a),
            Some(Outgoing::Lagged(Count { messages: 5, .. }))
        ));
    }
}
