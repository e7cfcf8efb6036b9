import { CairnError } from '../../errors/index.ts'

/**
 * Throws DEPENDENCY_CYCLE with the circle in `details.path` when the edges (a node → what it waits for) close one.
 * In time linear to nodes and edges, without recursion: a chain may be very long.
 */
export function refuseCycles(edges: ReadonlyMap<string, readonly string[]>, nameOf: (node: string) => string): void {
  const done = new Set<string>()
  for (const start of edges.keys()) {
    if (done.has(start)) continue
    const path: string[] = []
    const onPath = new Set<string>()
    const stack: { node: string; next: number }[] = [{ node: start, next: 0 }]
    path.push(start)
    onPath.add(start)
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as { node: string; next: number }
      const target = edges.get(top.node)?.[top.next]
      top.next += 1
      if (target === undefined) {
        stack.pop()
        path.pop()
        onPath.delete(top.node)
        done.add(top.node)
      } else if (onPath.has(target)) throw cycle([...path.slice(path.indexOf(target)), target].map(nameOf))
      else if (!done.has(target) && edges.has(target)) {
        stack.push({ node: target, next: 0 })
        path.push(target)
        onPath.add(target)
      }
    }
  }
}

export function cycle(path: readonly string[]): CairnError {
  return new CairnError('DEPENDENCY_CYCLE', `dependsOn: the tasks would wait for each other: ${path.join(' → ')}. Remove one of these dependencies.`, { details: { path } })
}
