/** `n.n.n` or `n.n.n-word`, at most 20 characters (S4 §10.1). */
const VERSION_PATTERN = /^(\d+)\.(\d+)\.(\d+)(?:-(\w+))?$/

export function isVersion(text: string): boolean {
  return text.length <= 20 && VERSION_PATTERN.test(text)
}

/** Below, equal or above zero, as semver orders them: `1.0.0-beta` comes before `1.0.0`. Both must be versions. */
export function compareVersions(left: string, right: string): number {
  const a = VERSION_PATTERN.exec(left) ?? []
  const b = VERSION_PATTERN.exec(right) ?? []
  for (const part of [1, 2, 3]) {
    const difference = Number(a[part] ?? 0) - Number(b[part] ?? 0)
    if (difference !== 0) return difference
  }
  const [wordA, wordB] = [a[4], b[4]]
  if (wordA === wordB) return 0
  if (wordA === undefined) return 1
  if (wordB === undefined) return -1
  return wordA < wordB ? -1 : 1
}

/** The version a new migration gets: the minor number grows, since each migration adds something. */
export function nextVersion(version: string | undefined): string {
  const parts = version === undefined ? null : VERSION_PATTERN.exec(version)
  return parts === null ? '0.1.0' : `${parts[1]}.${Number(parts[2]) + 1}.0`
}
