/** `T` without `undefined` in its optional fields: absent means absent. */
export type Exact<T> = T extends readonly (infer Item)[] ? Exact<Item>[] : T extends Date | ((...args: never[]) => unknown) ? T : T extends object ? { [K in keyof T]: Exact<Exclude<T[K], undefined>> } : T

/**
 * Checked input under the type that the library takes. JSON and query strings cannot hold `undefined`, and zod adds no
 * fields, so that only the type changes.
 */
export function exact<T>(value: T): Exact<T> {
  return value as Exact<T>
}

/** `T` as it arrives in JSON: times as ISO 8601 text. */
export type Wire<T> = T extends Date ? string : T extends readonly (infer Item)[] ? Wire<Item>[] : T extends object ? { [K in keyof T]: Wire<T[K]> } : T
