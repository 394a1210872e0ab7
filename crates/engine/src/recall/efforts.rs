//! What was measured, and the effort that follows from it.

use wire::{Error as Malformed, Reader, Writer};

use crate::types::Measured;

/// Recall by effort. The effort is `ef` of a graph, `rerank` where codes are scanned, and `probes` of lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Efforts {
    /// Live rows when it was measured.
    pub rows: u32,
    pub(super) ladders: Vec<Ladder>,
}

/// For one number of hits. Efforts and recalls ascend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ladder {
    pub(super) hits: u32,
    pub(super) steps: Vec<Step>,
}

/// One effort, and the recall that it reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// `ef`, `rerank` or `probes`.
    pub effort: u32,
    /// Rows verified; of lists, else 0: it follows from the effort.
    pub rerank: u32,
    /// Mean recall less its standard error, twice that for lists.
    pub recall: f32,
}

impl Efforts {
    /// The least effort that finds a share of `recall` of the `hits` nearest, as far as is known; `None` where no effort
    /// that was measured does.
    pub fn of(&self, hits: usize, recall: f64) -> Option<Step> {
        let ladder = self.ladders.iter().find(|ladder| ladder.hits as usize >= hits).or(self.ladders.last())?;
        let at = ladder.steps.iter().position(|step| step.recall >= recall as f32)?;
        let reached = ladder.steps[at];
        // Between two efforts recall grows at least as the logarithm does.
        let short = at.checked_sub(1).map(|before| ladder.steps[before]).filter(|short| reached.recall > short.recall);
        let scale = (hits as f64 / f64::from(ladder.hits)).max(1.0);
        let between = |of: fn(&Step) -> u32| {
            let value = match short.filter(|short| of(short) > 0) {
                Some(short) => {
                    let share = (recall - f64::from(short.recall)) / f64::from(reached.recall - short.recall);
                    f64::from(of(&short)) * (f64::from(of(&reached)) / f64::from(of(&short))).powf(share)
                }
                None => f64::from(of(&reached)),
            };
            // Up, since one list of three less is much; but what recalls of 32 bits leave above a whole number is nothing.
            (value * scale * (1.0 - 1e-6)).ceil() as u32
        };
        let (effort, rerank) = (between(|step| step.effort), between(|step| step.rerank));
        let least = |value: u32| value.max(hits as u32);
        Some(match reached.rerank {
            0 => Step { effort: least(effort), rerank: 0, recall: recall as f32 },
            _ => Step { effort, rerank: least(rerank), recall: recall as f32 },
        })
    }

    /// Every number of hits, effort and recall that was measured.
    pub fn steps(&self) -> impl Iterator<Item = Measured> + '_ {
        let of = |hits: u32, step: &Step| Measured {
            k: hits,
            effort: step.effort,
            rerank: Some(step.rerank).filter(|&rerank| rerank > 0),
            recall: step.recall,
        };
        self.ladders.iter().flat_map(move |ladder| ladder.steps.iter().map(move |step| of(ladder.hits, step)))
    }

    /// Whether an index of so many live rows should be measured again.
    pub fn is_outgrown(&self, live: u32) -> bool {
        live / 2 > self.rows || live < self.rows / 2
    }

    pub fn write(&self, w: &mut Writer) {
        w.u32(self.rows);
        w.u8(self.ladders.len() as u8);
        for Ladder { hits, steps } in &self.ladders {
            w.u32(*hits);
            w.u32s(&steps.iter().map(|step| step.effort).collect::<Vec<_>>());
            w.f32s(&steps.iter().map(|step| step.recall).collect::<Vec<_>>());
        }
        if self.ladders.iter().flat_map(|ladder| &ladder.steps).any(|step| step.rerank > 0) {
            self.ladders
                .iter()
                .for_each(|Ladder { steps, .. }| w.u32s(&steps.iter().map(|step| step.rerank).collect::<Vec<_>>()));
        }
    }

    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let rows = r.u32()?;
        let mut ladders: Vec<Ladder> = Vec::new();
        for _ in 0..r.u8()? {
            let (hits, efforts, recalls) = (r.u32()?, r.u32s()?, r.f32s()?);
            let fits = hits > ladders.last().map_or(0, |last| last.hits) && efforts.len() == recalls.len();
            if !fits {
                return Err(r.error("hits do not ascend, or efforts and recalls are not as many"));
            }
            let steps = efforts.into_iter().zip(recalls).map(|(effort, recall)| Step { effort, rerank: 0, recall });
            ladders.push(Ladder { hits, steps: steps.collect() });
        }
        let listed = r.remaining() > 0;
        for ladder in ladders.iter_mut().filter(|_| listed) {
            let reranks = r.u32s()?;
            if reranks.len() != ladder.steps.len() {
                return Err(r.error("efforts and reranks are not as many"));
            }
            ladder.steps.iter_mut().zip(reranks).for_each(|(step, rerank)| step.rerank = rerank);
        }
        let empty = ladders.iter().all(|ladder| ladder.steps.is_empty());
        if !ladders.iter().all(|ladder| ladder.ascends(listed)) || (listed && empty) {
            return Err(r.error("efforts and recalls do not ascend"));
        }
        Ok(Self { rows, ladders })
    }
}

impl Ladder {
    /// Whether each step is more effort than the one before, and none is less than it takes for `hits`.
    fn ascends(&self, listed: bool) -> bool {
        let more = |a: &Step, b: &Step| match listed {
            true => a.effort <= b.effort && a.rerank <= b.rerank && (a.effort, a.rerank) != (b.effort, b.rerank),
            false => a.effort < b.effort,
        };
        let enough = |step: &Step| match listed {
            true => step.effort > 0 && step.rerank >= self.hits,
            false => step.effort >= self.hits,
        };
        self.steps.is_sorted_by(more)
            && self.steps.iter().all(enough)
            && self.steps.is_sorted_by(|a, b| a.recall <= b.recall)
            && self.steps.iter().all(|step| (0.0..=1.0).contains(&step.recall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn efforts() -> Efforts {
        let ladder = |hits: u32, steps: &[(u32, f32)]| Ladder {
            hits,
            steps: steps.iter().map(|&(effort, recall)| Step { effort, rerank: 0, recall }).collect(),
        };
        Efforts { rows: 5000, ladders: vec![ladder(1, &[(1, 0.5), (4, 0.9)]), ladder(10, &[(10, 0.4), (40, 0.8), (160, 0.95)])] }
    }

    /// Of lists: probes and rows verified.
    fn listed() -> Efforts {
        let steps = [(1, 10, 0.3), (4, 10, 0.5), (4, 40, 0.8), (16, 40, 0.9)];
        let steps = steps.map(|(effort, rerank, recall)| Step { effort, rerank, recall });
        Efforts { rows: 5000, ladders: vec![Ladder { hits: 10, steps: steps.to_vec() }] }
    }

    #[test]
    fn efforts_lie_between_those_that_were_measured() {
        let efforts = efforts();
        let of = |hits, recall| efforts.of(hits, recall).map(|step| step.effort);
        assert_eq!(of(10, 0.8), Some(40));
        assert_eq!(of(10, 0.6), Some(20));
        // Of what lies between two whole numbers the upper one.
        assert_eq!(of(10, 0.605), Some(21));
        assert_eq!(of(10, 0.1), Some(10));
        assert_eq!(of(10, 0.96), None);
        // Two hits are taken for ten, and fifty for ten with five times the effort.
        assert_eq!(of(2, 0.8), Some(40));
        assert_eq!(of(50, 0.8), Some(200));
        assert_eq!(of(1, 0.9), Some(4));
    }

    #[test]
    fn both_efforts_of_lists_lie_between_those_that_were_measured() {
        let efforts = listed();
        let of = |hits, recall| efforts.of(hits, recall).map(|step| (step.effort, step.rerank));
        assert_eq!(of(10, 0.2), Some((1, 10)));
        assert_eq!(of(10, 0.4), Some((2, 10)));
        assert_eq!(of(10, 0.65), Some((4, 20)));
        assert_eq!(of(10, 0.85), Some((8, 40)));
        assert_eq!(of(20, 0.5), Some((8, 20)));
        assert_eq!(of(10, 0.91), None);
    }

    #[test]
    fn what_is_written_is_read_and_what_does_not_ascend_is_not() {
        let written = |efforts: &Efforts| {
            let mut w = Writer::new();
            efforts.write(&mut w);
            w.into_bytes()
        };
        let read = |efforts: &Efforts| Reader::whole(&written(efforts), Efforts::read);
        for efforts in [efforts(), listed()] {
            assert_eq!(read(&efforts).unwrap(), efforts);
            for wrong in [
                Step { recall: f32::NAN, ..efforts.ladders[0].steps[1] },
                Step { recall: 0.1, ..efforts.ladders[0].steps[1] },
                efforts.ladders[0].steps[0],
                Step { effort: 0, ..efforts.ladders[0].steps[1] },
            ] {
                let mut efforts = efforts.clone();
                efforts.ladders[0].steps[1] = wrong;
                assert!(read(&efforts).is_err(), "{wrong:?}");
            }
        }
        let mut few = listed();
        few.ladders[0].steps[0].rerank = 9;
        assert!(read(&few).is_err());
    }
}
