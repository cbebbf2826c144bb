//! A part that S3 composes: asked for in the same steps as by a real node, with as much side by side.

use std::collections::{BTreeMap, VecDeque};
use std::{iter, mem};

use proto::batch::AttemptId;
use proto::compose::{Composition, PADDING_BYTES, Source};
use proto::limits::COMPOSING_AT_ONCE;
use proto::plan::PartWork;

use super::Node;
use super::what::What;
use crate::world::World;

/// A request, and bytes that it sends or has S3 copy.
type Asked = (What, u64);

/// Requests that come one after the other, some of them several at a time.
#[derive(Debug, Default)]
pub(super) struct Doing {
    /// The steps to come; each begins when all of the one before has ended.
    steps: VecDeque<Vec<Asked>>,
    /// Requests of the step at hand that were not asked for.
    waiting: Vec<Asked>,
    in_flight: usize,
}

impl Doing {
    /// Gives what is to be asked for now to `ask`; whether there is anything that has not ended.
    fn go_on(&mut self, mut ask: impl FnMut(Asked)) -> bool {
        while self.in_flight == 0 && self.waiting.is_empty() {
            let Some(step) = self.steps.pop_front() else { return false };
            self.waiting = step;
        }
        while self.in_flight < COMPOSING_AT_ONCE
            && let Some(asked) = self.waiting.pop()
        {
            self.in_flight += 1;
            ask(asked);
        }
        true
    }
}

/// How far a part has come that S3 composes.
#[derive(Debug)]
pub(super) struct Composing {
    composition: Composition,
    literal_bytes: u64,
    part_bytes: u64,
    /// Stages begun. What is done in one can be done side by side, and the next begins when all of it has ended.
    stages: usize,
    /// Of the stage at hand: what has not begun, and what has not ended.
    pending: VecDeque<Doing>,
    under_way: BTreeMap<u32, Doing>,
    begun: u32,
}

impl Composing {
    pub(super) fn of(work: &PartWork) -> Option<Self> {
        Some(Self {
            composition: Composition::of(work)?,
            literal_bytes: work.literal_bytes(),
            part_bytes: work.bytes,
            stages: 0,
            pending: VecDeque::new(),
            under_way: BTreeMap::new(),
            begun: 0,
        })
    }

    /// Notes that a request has ended that belongs to something under way; what is to be asked for now, and what that
    /// belongs to. `None` when all is done.
    fn ended(&mut self, doing: u32) -> Option<Vec<(u32, Asked)>> {
        let mut asked = Vec::new();
        if let Some(ended) = self.under_way.get_mut(&doing) {
            ended.in_flight -= 1;
            if !ended.go_on(|what| asked.push((doing, what))) {
                self.under_way.remove(&doing);
            }
        }
        self.begin(asked)
    }

    /// Likewise at the beginning.
    fn begin(&mut self, mut asked: Vec<(u32, Asked)>) -> Option<Vec<(u32, Asked)>> {
        loop {
            while self.under_way.len() < COMPOSING_AT_ONCE
                && let Some(mut doing) = self.pending.pop_front()
            {
                self.begun += 1;
                if doing.go_on(|what| asked.push((self.begun, what))) {
                    self.under_way.insert(self.begun, doing);
                }
            }
            if !self.under_way.is_empty() {
                return Some(asked);
            }
            self.pending = self.stage(self.stages)?.into();
            self.stages += 1;
        }
    }

    /// What is done in a stage; `None` behind the last.
    fn stage(&self, stage: usize) -> Option<Vec<Doing>> {
        let Composition { objects, levels, .. } = &self.composition;
        let all = 0..objects.len();
        Some(match stage {
            0 => all.filter(|object| self.has_body(*object)).map(|object| self.bodies(object)).collect(),
            1 => vec![self.make(0)],
            _ if stage < 2 + levels.len() => levels[stage - 2].clone().map(|it| self.make(it)).collect(),
            _ if stage == 2 + levels.len() => vec![doing([vec![(What::Copy, self.part_bytes)]])],
            _ if stage == 3 + levels.len() => all.map(|_| doing([vec![(What::Delete, 0)]])).collect(),
            _ => return None,
        })
    }

    fn has_body(&self, object: usize) -> bool {
        self.composition.objects[object].iter().any(|source| matches!(source, Source::Body { .. }))
    }

    /// An object is begun, and the bodies that go into it are copied.
    fn bodies(&self, object: usize) -> Doing {
        let sources = self.composition.objects[object].iter();
        let bodies = sources.filter(|source| matches!(source, Source::Body { .. }));
        let copies = bodies.map(|body| vec![self.asked(body)]);
        doing([vec![(What::Create, 0)]].into_iter().chain(copies))
    }

    /// It is filled with what else goes into it, and put together.
    fn make(&self, object: usize) -> Doing {
        let sources = &self.composition.objects[object];
        let missing = sources.iter().filter(|source| !matches!(source, Source::Body { .. }));
        let missing = missing.map(|source| self.asked(source)).collect();
        let create = (!self.has_body(object)).then(|| vec![(What::Create, 0)]);
        let complete = vec![(What::Complete(sources.len() as u32), 0)];
        doing(create.into_iter().chain([missing, complete]))
    }

    fn asked(&self, source: &Source) -> Asked {
        match source {
            Source::Padding => (What::Copy, PADDING_BYTES),
            Source::Literals => (What::Upload, self.literal_bytes),
            Source::Body { range, .. } | Source::Made { range, .. } => (What::Copy, range.end - range.start),
        }
    }
}

fn doing(steps: impl IntoIterator<Item = Vec<Asked>>) -> Doing {
    Doing { steps: steps.into_iter().collect(), ..Doing::default() }
}

/// The padding of a node, which all parts need that it has S3 compose.
#[derive(Debug, Default)]
pub(super) enum Padding {
    /// There is none.
    #[default]
    Missing,
    /// An attempt puts it there, others wait for it.
    Making { by: AttemptId, doing: Doing, waiting: VecDeque<AttemptId> },
    /// It is there.
    There,
}

impl Node {
    /// Begins with the padding if there is none yet, or waits for it.
    pub(super) fn begin_composing(&mut self, id: AttemptId, world: &mut World) {
        match &mut self.padding {
            Padding::There => self.compose(id, None, world),
            Padding::Making { waiting, .. } => waiting.push_back(id),
            Padding::Missing => {
                let steps = [(What::Create, 0), (What::Upload, PADDING_BYTES), (What::Complete(1), 0)];
                let doing = doing(steps.map(|asked| vec![asked]));
                self.padding = Padding::Making { by: id, doing, waiting: VecDeque::new() };
                self.put_padding(world);
            }
        }
    }

    /// A request has ended by which a part is composed.
    pub(super) fn compose_on(&mut self, id: AttemptId, doing: u32, world: &mut World) {
        if let Padding::Making { by, doing, .. } = &mut self.padding
            && *by == id
        {
            doing.in_flight -= 1;
            return self.put_padding(world);
        }
        self.compose(id, Some(doing), world);
    }

    /// An attempt is over. If it was to put the padding there, another does.
    pub(super) fn leave_padding(&mut self, id: AttemptId, world: &mut World) {
        let Padding::Making { by, waiting, .. } = &mut self.padding else { return };
        waiting.retain(|other| *other != id);
        if *by == id {
            let waiting = mem::take(waiting);
            self.padding = Padding::Missing;
            waiting.into_iter().for_each(|other| self.begin_composing(other, world));
        }
    }

    fn put_padding(&mut self, world: &mut World) {
        let Padding::Making { by, doing, waiting } = &mut self.padding else { return };
        let (by, mut asked) = (*by, Vec::new());
        if doing.go_on(|what| asked.push((0, what))) {
            return self.ask_all(by, asked, world);
        }
        let waiting = mem::take(waiting);
        self.padding = Padding::There;
        world.paddings += 1;
        iter::once(by).chain(waiting).for_each(|id| self.compose(id, None, world));
    }

    fn compose(&mut self, id: AttemptId, ended: Option<u32>, world: &mut World) {
        let composing = self.running.get_mut(&id).and_then(|running| running.composing.as_mut());
        let Some(composing) = composing else { return };
        let asked = match ended {
            Some(doing) => composing.ended(doing),
            None => composing.begin(Vec::new()),
        };
        match asked {
            Some(asked) => self.ask_all(id, asked, world),
            None => self.made(id, world),
        }
    }

    fn ask_all(&mut self, id: AttemptId, asked: Vec<(u32, Asked)>, world: &mut World) {
        for (doing, (what, bytes)) in asked {
            self.ask(id, doing, what, bytes, world);
        }
    }
}
