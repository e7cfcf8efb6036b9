export interface Edge {
  readonly agentId: string
  readonly dependsOnId: string
}

/** The nodes from `from` to `to` along the edges, the shortest way; undefined when there is none. */
export function findPath(edges: readonly Edge[], from: string, to: string): string[] | undefined {
  const next = Map.groupBy(edges, (edge) => edge.agentId)
  const cameFrom = new Map<string, string | null>([[from, null]])
  for (const node of cameFrom.keys()) {
    if (node === to) {
      const path: string[] = []
      for (let at: string | null = to; at !== null; at = cameFrom.get(at) ?? null) path.unshift(at)
      return path
    }
    for (const { dependsOnId } of next.get(node) ?? []) if (!cameFrom.has(dependsOnId)) cameFrom.set(dependsOnId, node)
  }
  return undefined
}

/** `ids` and all that the edges name, each after what it depends on. Agents that may start together come by id. */
export function startOrder(ids: readonly string[], edges: readonly Edge[]): string[] {
  const waitsFor = new Map<string, number>()
  for (const id of ids) waitsFor.set(id, 0)
  for (const { agentId, dependsOnId } of edges) {
    waitsFor.set(agentId, (waitsFor.get(agentId) ?? 0) + 1)
    waitsFor.set(dependsOnId, waitsFor.get(dependsOnId) ?? 0)
  }
  const dependents = Map.groupBy(edges, (edge) => edge.dependsOnId)
  const order: string[] = []
  let ready = [...waitsFor].filter(([, count]) => count === 0).map(([id]) => id)
  while (ready.length > 0) {
    const following: string[] = []
    for (const id of ready.sort()) {
      order.push(id)
      for (const { agentId } of dependents.get(id) ?? []) {
        const left = (waitsFor.get(agentId) ?? 0) - 1
        waitsFor.set(agentId, left)
        if (left === 0) following.push(agentId)
      }
    }
    ready = following
  }
  return order
}
