//! `limits = { ... }`, of a component or a provider.

use super::section::Section;
use crate::{
    DesiredComponentLimits, ProviderLimits,
    limits::{
        CONCURRENCY, CORE_INSTANCES, MEMORIES, MEMORY_BYTES, QUEUE, TABLE_ELEMENTS, TABLES,
        WALL_TIME_MS,
    },
};

impl DesiredComponentLimits {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let mut read = Self::default();
        let Some(mut limits) = section.section("limits") else {
            return read;
        };
        set(
            &mut read.memory_bytes_max,
            limits.number("memory_bytes_max", MEMORY_BYTES),
        );
        set(
            &mut read.wall_time_ms_max,
            limits.number("wall_time_ms_max", WALL_TIME_MS),
        );
        set(
            &mut read.concurrency_max,
            limits.number_u32("concurrency_max", CONCURRENCY),
        );
        set(&mut read.queue_max, limits.number_u32("queue_max", QUEUE));
        set(
            &mut read.table_elements_max,
            limits.number("table_elements_max", TABLE_ELEMENTS),
        );
        set(
            &mut read.tables_max,
            limits.number_u32("tables_max", TABLES),
        );
        set(
            &mut read.memories_max,
            limits.number_u32("memories_max", MEMORIES),
        );
        set(
            &mut read.core_instances_max,
            limits.number_u32("core_instances_max", CORE_INSTANCES),
        );
        limits.finish();
        read
    }
}

impl ProviderLimits {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let mut read = Self::default();
        let Some(mut limits) = section.section("limits") else {
            return read;
        };
        set(
            &mut read.concurrency_max,
            limits.number_u32("concurrency_max", CONCURRENCY),
        );
        set(&mut read.queue_max, limits.number_u32("queue_max", QUEUE));
        limits.finish();
        read
    }
}

/// The default stays where the manifest says nothing, or something that was told as a problem.
fn set<T>(limit: &mut T, read: Option<T>) {
    if let Some(read) = read {
        *limit = read;
    }
}
