//! Circles in a graph.

use std::collections::{BTreeMap, BTreeSet};

/// Which node leads to which, and by what.
pub type Graph = BTreeMap<usize, BTreeMap<usize, BTreeSet<String>>>;

/// Returns the sets of nodes of which each can be reached from each (Tarjan 1972).
pub fn circles(graph: &Graph) -> Vec<BTreeSet<usize>> {
    let mut search = Search {
        graph,
        numbers: BTreeMap::new(),
        lowest: BTreeMap::new(),
        open: Vec::new(),
        found: Vec::new(),
    };
    for node in graph.keys() {
        if !search.numbers.contains_key(node) {
            search.visit(*node);
        }
    }
    search.found
}

struct Search<'a> {
    graph: &'a Graph,
    numbers: BTreeMap<usize, usize>,
    lowest: BTreeMap<usize, usize>,
    open: Vec<usize>,
    found: Vec<BTreeSet<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, node: usize) -> usize {
        let number = self.numbers.len();
        self.numbers.insert(node, number);
        self.open.push(node);
        let mut lowest = number;
        for next in self.graph.get(&node).into_iter().flat_map(BTreeMap::keys) {
            let seen = self.numbers.get(next).copied();
            let other = match seen {
                None => self.visit(*next),
                Some(seen) if self.open.contains(next) => seen,
                Some(_) => continue,
            };
            lowest = lowest.min(other);
        }
        self.lowest.insert(node, lowest);
        if lowest == number {
            let at = self.open.iter().position(|it| *it == node).unwrap_or(0);
            let circle: BTreeSet<usize> = self.open.drain(at..).collect();
            if circle.len() > 1 {
                self.found.push(circle);
            }
        }
        lowest
    }
}
