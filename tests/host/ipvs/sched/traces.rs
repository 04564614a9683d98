// SPDX-License-Identifier: GPL-2.0
//! Every scheduler and its model through the same random lives: they agree on every decision.

use super::fixture::{Grouping, World};
use super::lblc;
use super::models::{model, Event, Model};
use super::server::{flow, List, Server};
use ipvs::addr::Family;
use ipvs::flow::Flow;
use ipvs::sched::{Options, Scheduler};
use proptest::prelude::*;
use proptest::sample::{select, Index};

#[derive(Clone, Debug)]
enum Step {
    Add {
        weight: u32,
        room: usize,
        merge: Index,
    },
    Remove(Index, Index),
    Weight(Index, u32),
    Overload(Index, bool),
    OverloadAll(bool),
    Load(Index, u32, u32),
    Pick(Vec<u16>),
    Bind(Scheduler),
}

/// The whole of a service's life.
#[derive(Clone, Debug)]
struct Story {
    family: Family,
    options: Options,
    steps: Vec<Step>,
}

fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => 0..8_u32,
        2 => select(vec![0, 10, 20, 30, 100, 300]),
        1 => 0..5_000_u32,
    ]
}

/// Weights that the models of wrr and sh would walk for long.
fn any_weight() -> impl Strategy<Value = u32> {
    prop_oneof![4 => weight(), 1 => select(vec![1 << 20, 1 << 30, i32::MAX.unsigned_abs()])]
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![16 => 0..6_u32, 1 => 0..600_u32, 1 => select(vec![9_000_000, i32::MAX.unsigned_abs()])]
}

/// Connections that are not active, about as many as make up for an active one too.
fn idle() -> impl Strategy<Value = u32> {
    let like_active = (1..4_u32, 0..4_u32).prop_map(|(active, more)| active * 255 + more);
    prop_oneof![0..9_u32, like_active]
}

fn step(weight: BoxedStrategy<u32>) -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let room = select(vec![1, 2, 2, 3, 4, 7, 32]);
    prop_oneof![
        4 => (weight.clone(), room, index()).prop_map(|(weight, room, merge)| Step::Add { weight, room, merge }),
        2 => (index(), index()).prop_map(|(at, merge)| Step::Remove(at, merge)),
        3 => (index(), weight).prop_map(|(at, weight)| Step::Weight(at, weight)),
        1 => any::<bool>().prop_map(Step::OverloadAll),
        4 => (index(), prop::bool::weighted(0.6)).prop_map(|(at, usable)| Step::Overload(at, usable)),
        6 => (index(), count(), idle()).prop_map(|(at, active, idle)| Step::Load(at, active, active.saturating_add(idle))),
        8 => prop::collection::vec(any::<u16>(), 1..8).prop_map(Step::Pick),
    ]
}

fn story(step: impl Strategy<Value = Step>) -> impl Strategy<Value = Story> {
    let family = select(vec![Family::V4, Family::V6]);
    let flags = (any::<bool>(), any::<bool>());
    let steps = prop::collection::vec(step, 0..120);
    (family, flags, steps).prop_map(|(family, (fallback, port), steps)| Story {
        family,
        options: Options { fallback, port },
        steps,
    })
}

fn life() -> impl Strategy<Value = Story> {
    story(step(any_weight().boxed()))
}

/// One whose weights can be walked down one by one.
fn light_life() -> impl Strategy<Value = Story> {
    story(step(weight().boxed()))
}

fn restless_life() -> impl Strategy<Value = Story> {
    let bind = select(&Scheduler::ALL[..]).prop_map(Step::Bind);
    story(prop_oneof![9 => step(weight().boxed()), 1 => bind])
}

struct Life {
    world: World,
    model: Box<dyn Model>,
    /// The servers that were removed.
    gone: List,
}

impl Life {
    fn new(scheduler: Scheduler, story: &Story) -> Life {
        let mut life = Life {
            world: World::new(scheduler, story.family, story.options),
            model: model(scheduler, story.family, story.options, 0),
            gone: List::new(),
        };
        life.tell(&Event::Bound);
        life
    }

    fn tell(&mut self, event: &Event<'_>) {
        self.model.changed(event, &self.world.list());
    }

    fn bind(&mut self, scheduler: Scheduler) {
        self.world.bind(scheduler);
        self.model = model(
            scheduler,
            self.world.family,
            self.world.options,
            self.world.drawn(),
        );
        self.tell(&Event::Bound);
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let before = self.world.list();
        let some = before.len().max(1);
        let name = |at: &Index| before.get(at.index(some)).map(|server| server.name);
        let merge = |at: &Index| at.index(self.world.chunks() + 4);
        match step {
            Step::Add {
                weight,
                room,
                merge: at,
            } => {
                let how = Grouping {
                    room: *room,
                    merge: merge(at),
                };
                self.world.add(*weight, how);
                self.tell(&Event::Added);
            }
            Step::Remove(at, neighbour) => {
                let Some(name) = name(at) else { return Ok(()) };
                let mut server = before[at.index(some)];
                server.linked = false;
                self.gone.push(server);
                self.world.remove(name, merge(neighbour));
                self.tell(&Event::Removed(name, &before));
            }
            Step::Weight(at, weight) => {
                let Some(name) = name(at) else { return Ok(()) };
                self.world.weigh(name, *weight);
                self.tell(&Event::Edited);
            }
            Step::Overload(at, usable) => {
                name(at)
                    .into_iter()
                    .for_each(|name| self.world.overload(name, !*usable));
            }
            Step::OverloadAll(usable) => {
                let names = before.iter().map(|server| server.name);
                names.for_each(|name| self.world.overload(name, !*usable));
            }
            Step::Load(at, active, total) => {
                name(at)
                    .into_iter()
                    .for_each(|name| self.world.load(name, *active, *total));
            }
            Step::Pick(seeds) => {
                for seed in seeds {
                    self.decide(&before, &flow(self.world.family, *seed))?;
                }
            }
            Step::Bind(scheduler) => self.bind(*scheduler),
        }
        Ok(())
    }

    fn decide(&mut self, list: &List, flow: &Flow) -> Result<(), TestCaseError> {
        let picked = self.world.pick_for(flow);
        prop_assert_eq!(
            picked,
            self.model.pick(list, flow),
            "{:?}",
            self.world.scheduler
        );
        let takes = |name| self.world.find(name).is_some_and(Server::takes);
        prop_assert!(picked.is_none_or(takes));
        if self.world.scheduler.spec().cache.is_some() {
            lblc::agrees(&self.world, &self.gone)?;
        }
        Ok(())
    }
}

fn agree(scheduler: Scheduler, story: &Story) -> Result<(), TestCaseError> {
    let mut life = Life::new(scheduler, story);
    story.steps.iter().try_for_each(|step| life.step(step))
}

macro_rules! agrees {
    ($cases:literal, $life:expr, $($name:ident: $scheduler:ident,)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases($cases))]
            $(
                #[test]
                fn $name(story in $life) {
                    agree(Scheduler::$scheduler, &story)?;
                }
            )*
        }
    };
}

agrees! {
    500, life(),
    lc_agrees_with_its_model: Lc,
    wlc_agrees_with_its_model: Wlc,
    fo_agrees_with_its_model: Fo,
    ovf_agrees_with_its_model: Ovf,
    sed_agrees_with_its_model: Sed,
    nq_agrees_with_its_model: Nq,
    twos_agrees_with_its_model: Twos,
    lblc_agrees_with_its_model: Lblc,
    lblcr_agrees_with_its_model: Lblcr,
    rr_agrees_with_its_model: Rr,
    dh_agrees_with_its_model: Dh,
    sh_agrees_with_its_model: Sh,
}

agrees! {
    500, light_life(),
    wrr_agrees_with_its_model: Wrr,
}

// Its table is long.
agrees! {
    48, life(),
    mh_agrees_with_its_model: Mh,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_new_scheduler_starts_anew(story in restless_life()) {
        agree(Scheduler::None, &story)?;
    }
}
