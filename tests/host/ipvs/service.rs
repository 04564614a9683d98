// SPDX-License-Identifier: GPL-2.0
//! The overload flag over a random life, against the rule read literally.

use ipvs::service::{Overload, ThresholdEvent, Thresholds};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Bind,
    Release,
    Edit { upper: u32, lower: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Bind),
        6 => Just(Step::Release),
        1 => (0..12_u32, 0..12_u32).prop_map(|(upper, lower)| Step::Edit { upper, lower: lower.min(upper) }),
    ]
}

/// What the module does: a decision only where the thresholds ask for one.
fn ours(flag: bool, set: Thresholds, event: Option<ThresholdEvent>, total: u32) -> bool {
    match event.map(|event| set.decide(event, total)) {
        Some(Overload::Set) => true,
        Some(Overload::Clear) => false,
        Some(Overload::Keep) | None => flag,
    }
}

proptest! {
    #[test]
    fn overload_is_set_on_reaching_the_upper_and_cleared_below_the_lower(
        steps in prop::collection::vec(step(), 0..200)
    ) {
        let mut set = Thresholds { upper: 0, lower: 0 };
        let (mut total, mut flag, mut model) = (0_u32, false, false);
        for step in steps {
            match step {
                Step::Bind => {
                    total += 1;
                    let event = set.is_reached(total).then_some(ThresholdEvent::Reached);
                    flag = ours(flag, set, event, total);
                    model |= set.upper != 0 && total >= set.upper;
                }
                Step::Release if total > 0 => {
                    let event = set.is_left(total).then_some(ThresholdEvent::Fell);
                    total -= 1;
                    flag = ours(flag, set, event, total);
                    model &= total >= set.effective_lower();
                }
                Step::Release => {}
                Step::Edit { upper, lower } => {
                    set = Thresholds { upper, lower };
                    flag = ours(flag, set, Some(ThresholdEvent::Edited), total);
                    model = upper != 0
                        && (total >= upper || (model && total >= set.effective_lower()));
                }
            }
            prop_assert_eq!(flag, model);
        }
    }
}
