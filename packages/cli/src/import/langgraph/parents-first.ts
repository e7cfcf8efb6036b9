import type { Head } from './official-tables.ts'

/** Ids of one path, each behind its parent, else in the order given; a parent that is not among them counts for nothing. */
export function parentsFirst(heads: readonly Head[]): string[] {
  const byId = new Map(heads.map((head) => [head.id, head]))
  const done = new Set<string>()
  const ordered: string[] = []
  for (const head of heads) {
    const waiting: Head[] = []
    const onTheWay = new Set<string>()
    for (let next: Head | undefined = head; next !== undefined && !done.has(next.id) && !onTheWay.has(next.id); next = next.parentId === null ? undefined : byId.get(next.parentId)) {
      waiting.push(next)
      onTheWay.add(next.id)
    }
    for (const { id } of waiting.reverse()) {
      done.add(id)
      ordered.push(id)
    }
  }
  return ordered
}
