//! `limits = { ... }`, of a component or a provider.

use wrt_protocol::{
    ComponentLimits, ProviderLimits,
    actor_limits::{
        CONCURRENCY, CORE_INSTANCES, INSTANCE_IDLE_MS, INSTANCES_KEPT, INVOCATIONS_AT_ONCE,
        INVOCATIONS_PER_INSTANCE, MEMORIES, MEMORY_BYTES, QUEUE, TABLE_ELEMENTS, TABLES,
        WALL_TIME_MS,
    },
};

use super::section::Section;

pub(super) fn of_component(section: &mut Section<'_, '_>) -> ComponentLimits {
    let mut read = ComponentLimits::default();
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
    gate(&mut limits, &mut read.concurrency_max, &mut read.queue_max);
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
    read.invocations_per_instance_max =
        limits.number_u32("invocations_per_instance_max", INVOCATIONS_PER_INSTANCE);
    read.invocations_at_once_max =
        limits.number_u32("invocations_at_once_max", INVOCATIONS_AT_ONCE);
    read.instance_idle_ms_max = limits.number("instance_idle_ms_max", INSTANCE_IDLE_MS);
    read.instances_kept_max = limits.number_u32("instances_kept_max", INSTANCES_KEPT);
    limits.finish();
    read
}

pub(super) fn of_provider(section: &mut Section<'_, '_>) -> ProviderLimits {
    let mut read = ProviderLimits::default();
    let Some(mut limits) = section.section("limits") else {
        return read;
    };
    gate(&mut limits, &mut read.concurrency_max, &mut read.queue_max);
    limits.finish();
    read
}

/// What both have: the limits of a gate.
fn gate(limits: &mut Section<'_, '_>, concurrency_max: &mut u32, queue_max: &mut u32) {
    set(
        concurrency_max,
        limits.number_u32("concurrency_max", CONCURRENCY),
    );
    set(queue_max, limits.number_u32("queue_max", QUEUE));
}

/// The default stays where the manifest says nothing, or something that was told as a problem.
fn set<T>(limit: &mut T, read: Option<T>) {
    if let Some(read) = read {
        *limit = read;
    }
}
