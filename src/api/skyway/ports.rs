//! The allocation of ports for datagrams: a range from 50001 on, the lowest free port first, so that the
//! first programs find their ports where SkyWay's gateway had them.

/// The ports of a range and their uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentPorts {
    first: u16,
    uses: Vec<Use>,
}

impl ContentPorts {
    /// Returns `count` ports from `first` on, as far as they exist; port 0 is not a port.
    pub fn new(first: u16, count: u16) -> Self {
        let first = first.max(1);
        let count = count.min(u16::MAX - first + 1);
        Self {
            first,
            uses: vec![Use::Free; usize::from(count)],
        }
    }

    /// Takes the lowest free port, which is then in use. `None`: no port is free now. Ports that were skipped
    /// may be tried again from then on because the programs that had them may have ended.
    pub fn take(&mut self) -> Option<u16> {
        let places = self.first..=u16::MAX;
        let mut ports = places.zip(&mut self.uses);
        if let Some((port, free)) = ports.find(|(_, it)| **it == Use::Free) {
            *free = Use::Ours;
            return Some(port);
        }
        for other in self.uses.iter_mut().filter(|it| **it == Use::Others) {
            *other = Use::Free;
        }
        None
    }

    /// Marks a port that was taken as in use by another program; [`take`](Self::take) then gives another one.
    pub fn skip(&mut self, port: u16) {
        self.change(port, Use::Others);
    }

    /// Releases a port that was taken.
    pub fn release(&mut self, port: u16) {
        self.change(port, Use::Free);
    }

    /// Returns how many ports this gateway uses.
    #[cfg(test)]
    pub fn in_use(&self) -> usize {
        self.uses.iter().filter(|it| **it == Use::Ours).count()
    }

    fn change(&mut self, port: u16, to: Use) {
        let place = port.checked_sub(self.first).map(usize::from);
        let found = place.and_then(|place| self.uses.get_mut(place));
        if let Some(it) = found.filter(|it| **it == Use::Ours) {
            *it = to;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Free,
    Ours,
    /// Another program had the port at the last attempt.
    Others,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn in_order_and_again_when_free() {
        let mut ports = ContentPorts::new(50001, 3);
        assert_eq!(ports.take(), Some(50001));
        assert_eq!(ports.take(), Some(50002));
        assert_eq!(ports.take(), Some(50003));
        assert_eq!(ports.take(), None);
        assert_eq!(ports.in_use(), 3);
        ports.release(50003);
        ports.release(50002);
        assert_eq!(ports.take(), Some(50002));
        assert_eq!(ports.take(), Some(50003));
    }

    #[test]
    fn anothers_port_is_skipped_until_there_is_no_other() {
        let mut ports = ContentPorts::new(50001, 2);
        assert_eq!(ports.take(), Some(50001));
        ports.skip(50001);
        assert_eq!(ports.take(), Some(50002));
        ports.release(50002);
        assert_eq!(ports.take(), Some(50002));
        assert_eq!(ports.take(), None);
        assert_eq!(ports.take(), Some(50001));
        ports.skip(50001);
        assert_eq!(
            ports.take(),
            None,
            "whoever tries all of them comes to an end"
        );
    }

    #[test]
    fn ports_of_nobody_change_nothing() {
        let mut ports = ContentPorts::new(50001, 2);
        for port in [0, 50000, 50001, 50003, 65535] {
            ports.skip(port);
            ports.release(port);
        }
        assert_eq!(ports, ContentPorts::new(50001, 2));
    }

    #[test]
    fn a_range_ends_where_ports_end() {
        let mut last = ContentPorts::new(65535, 1000);
        assert_eq!((last.take(), last.take()), (Some(65535), None));
        let mut all = ContentPorts::new(0, u16::MAX);
        assert_eq!(all.take(), Some(1));
        let mut none = ContentPorts::new(50001, 0);
        assert_eq!(none.take(), None);
    }

    proptest! {
        #[test]
        fn no_port_is_given_twice(steps in proptest::collection::vec((0u8..3, 0usize..20), 0..200)) {
            let mut ports = ContentPorts::new(65530, 20);
            let mut ours: Vec<u16> = Vec::new();
            for (step, place) in steps {
                let one = (!ours.is_empty()).then(|| place % ours.len());
                match (step, one) {
                    (1, Some(place)) => ports.release(ours.swap_remove(place)),
                    (2, Some(place)) => ports.skip(ours.swap_remove(place)),
                    _ => {
                        if let Some(port) = ports.take() {
                            prop_assert!(port >= 65530 && !ours.contains(&port));
                            ours.push(port);
                        }
                    }
                }
                prop_assert_eq!(ports.in_use(), ours.len());
            }
        }
    }
}
