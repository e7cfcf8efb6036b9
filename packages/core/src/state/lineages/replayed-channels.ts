/**
 * For `prune` of threads that LangGraph wrote: the channels that a checkpoint with this metadata rebuilds from the writes of
 * its ancestors (`counters_since_delta_snapshot`); none for any other metadata.
 */
export function replayedChannels(metadata: string): string[] {
  const { counters_since_delta_snapshot: counters } = JSON.parse(metadata) as { counters_since_delta_snapshot?: unknown }
  return typeof counters === 'object' && counters !== null ? Object.keys(counters) : []
}
