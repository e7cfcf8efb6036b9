/** One place of so many. */
const EVERY = 10

/**
 * The first `limit` of `ranked`, but every tenth place goes to the best one of a group (a session) that none of those above it is of: what
 * was said elsewhere is seen, and no more than a tenth of the places is spent on it. What has no group, and a list without another group,
 * stays as it is.
 */
export function spreadGroups<T>(ranked: readonly T[], groupOf: (item: T) => string | null | undefined, limit: number): T[] {
  const left = [...ranked]
  const shown: T[] = []
  const seen = new Set<string>()
  while (shown.length < limit && left.length > 0) {
    const isNew = (item: T): boolean => {
      const group = groupOf(item)
      return group !== null && group !== undefined && !seen.has(group)
    }
    const other = (shown.length + 1) % EVERY === 0 ? left.findIndex(isNew) : 0
    const [next] = left.splice(Math.max(0, other), 1) as [T]
    shown.push(next)
    const group = groupOf(next)
    if (group !== null && group !== undefined) seen.add(group)
  }
  return shown
}
