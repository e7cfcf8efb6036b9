import { OBSERVATION } from './words.ts'

/** What is searched and embedded of a fact, at most: more is past the limits of text search. */
const MAX_CHARACTERS = 100_000

/** A fact as a sentence: `worksAt` and `works_at` are read as "works at". */
export function factText(entity: string, predicate: string, object: string): string {
  const words = predicate === OBSERVATION ? ':' : ` ${predicate.replaceAll(/([\p{Ll}\d])(\p{Lu})/gu, '$1 $2').replaceAll(/[_\-.]+/g, ' ').toLowerCase()}`
  const whole = `${entity}${words} ${object}`
  return whole.length <= MAX_CHARACTERS ? whole : whole.slice(0, MAX_CHARACTERS).toWellFormed().replaceAll('�', '')
}

export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
