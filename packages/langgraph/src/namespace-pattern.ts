/**
 * One pattern that holds where all of these do, '*' being any label: prefixes are laid over each other from their first label,
 * suffixes from their last. Null when they contradict each other.
 */
export function commonPattern(type: 'prefix' | 'suffix', patterns: readonly (readonly string[])[]): string[] | null {
  const turned = (pattern: readonly string[]): string[] => (type === 'prefix' ? [...pattern] : [...pattern].reverse())
  const common: string[] = []
  for (const pattern of patterns) {
    for (const [index, label] of turned(pattern).entries()) {
      const known = common[index] ?? '*'
      if (known !== '*' && label !== '*' && known !== label) return null
      common[index] = known === '*' ? label : known
    }
  }
  return turned(common)
}
