// SPDX-License-Identifier: GPL-2.0
//! Statistics in a live kernel.

#[kernel::prelude::kunit_tests(rvs_stats)]
mod tests {
    use crate::stats::{self, Stats};
    use ipvs::proto::Direction;
    use ipvs::rate::{Counter, Samples};
    use kernel::prelude::*;
    use linux::percpu::cpus;

    #[test]
    fn packet_counts_on_server_and_namespace() -> Result {
        let (server, total) = (made()?, made()?);
        stats::packet(&server, &total, Direction::Original, 40);
        stats::packet(&server, &total, Direction::Original, 60);
        stats::packet(&server, &total, Direction::Reply, 1500);
        stats::conn(&server, &total);
        assert_eq!(totals(&server.shown()), [1, 2, 1, 100, 1500]);
        assert_eq!(totals(&total.shown()), [1, 2, 1, 100, 1500]);
        Ok(())
    }

    #[test]
    fn reset_hides_what_was_counted_but_not_per_cpu() -> Result {
        let (server, total) = (made()?, made()?);
        stats::packet(&server, &total, Direction::Original, 40);
        server.reset()?;
        assert_eq!(totals(&server.shown()), [0; 5]);
        assert_eq!(totals(&server.counted()), [0, 1, 0, 40, 0]);
        stats::packet(&server, &total, Direction::Original, 2);
        assert_eq!(totals(&server.shown()), [0, 1, 0, 2, 0]);
        let per_cpu = cpus().fold(0_u64, |sum, cpu| {
            let [_, packets, ..] = server.on_cpu(cpu);
            sum.wrapping_add(packets)
        });
        assert_eq!(per_cpu, 2);
        Ok(())
    }

    fn made() -> Result<KBox<Stats>> {
        KBox::new(Stats::new()?, GFP_KERNEL).map_err(Error::from)
    }

    fn totals(samples: &Samples) -> [u64; 5] {
        Counter::ALL.map(|counter| samples.total(counter))
    }
}
