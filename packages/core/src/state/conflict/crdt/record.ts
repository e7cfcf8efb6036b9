/** A copy without a prototype, so that any text, `__proto__` too, is an ordinary name in it. */
export function record<T>(from: Readonly<Record<string, T>> = {}): Record<string, T> {
  const copy = Object.create(null) as Record<string, T>
  for (const name of Object.keys(from)) copy[name] = from[name] as T
  return copy
}

export function getOwn<T>(from: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(from, name) ? from[name] : undefined
}
