import { invalid } from '../../checks/index.ts'
import type { DebateArgument, DebateParticipant } from './types.ts'
import type { DebateMode } from './words.ts'

type Seat = Pick<DebateParticipant, 'number' | 'role' | 'position'>

/** INVALID_ARGUMENT when the mode cannot be held with these. */
export function checkSeats(mode: DebateMode, seats: readonly Seat[]): void {
  const moderators = seats.filter(({ role }) => role === 'moderator')
  const speakers = seats.filter(({ role }) => role === 'speaker')
  if (speakers.length < 2) throw invalid('participants', 'a debate needs two speakers or more')
  if (moderators.length > (mode === 'panel' ? 1 : 0)) throw invalid('participants', mode === 'panel' ? 'a panel has one moderator at most' : 'only a panel has a moderator')
  if (moderators.some(({ position }) => position !== null)) throw invalid('participants', 'a moderator holds no position')
  if (mode !== 'adversarial') return
  if (speakers.some(({ position }) => position === null)) throw invalid('participants', 'each speaker of an adversarial debate needs a position')
  const sides = new Set(speakers.map(({ position }) => position)).size
  if (sides !== 2) throw invalid('participants', `an adversarial debate has two positions, not ${sides}`)
}

/**
 * The numbers of those who speak in a round, in their order.
 * - structured and free: all, as they were given.
 * - adversarial: the two sides in turn, the side of the first participant first in odd rounds; the smaller side's speakers begin anew, so that both speak equally often.
 * - panel: the moderator, then the others, of whom each round another one begins.
 */
export function speakersOf(mode: DebateMode, seats: readonly Seat[], round: number): number[] {
  const speakers = seats.filter(({ role }) => role === 'speaker')
  const numbers = speakers.map(({ number }) => number)
  if (mode === 'panel') {
    const first = (round - 1) % numbers.length
    return [...seats.filter(({ role }) => role === 'moderator').map(({ number }) => number), ...numbers.slice(first), ...numbers.slice(0, first)]
  }
  if (mode !== 'adversarial') return numbers
  const one = speakers.filter(({ position }) => position === speakers[0]?.position)
  const other = speakers.filter(({ position }) => position !== speakers[0]?.position)
  const [begins, answers] = round % 2 === 1 ? [one, other] : [other, one]
  return Array.from({ length: Math.max(one.length, other.length) }, (_, index) => [begins, answers].map((side) => (side[index % side.length] as Seat).number)).flat()
}

/**
 * What a turn answers unless its speaker says otherwise; `earlier` is by round and turn.
 * - structured: nothing in the first round; then the latest argument of another position, or else of another speaker.
 * - free: nothing.
 * - adversarial: the latest argument of the other side.
 * - panel: the moderator's of this round; the moderator answers the last one of the round before.
 */
export function answered(mode: DebateMode, seats: readonly (Seat & { readonly name: string })[], speaker: Seat & { readonly name: string }, round: number, earlier: readonly DebateArgument[]): DebateArgument | null {
  const seatOf = new Map(seats.map((seat) => [seat.name, seat]))
  const latest = (fits: (argument: DebateArgument) => boolean): DebateArgument | null => earlier.findLast(fits) ?? null
  const sideOf = (argument: DebateArgument): string | null => argument.position ?? seatOf.get(argument.participant)?.position ?? null
  const own = earlier.findLast(({ participant, position }) => participant === speaker.name && position !== null)?.position ?? speaker.position
  const ofAnother = ({ participant }: DebateArgument): boolean => participant !== speaker.name
  switch (mode) {
    case 'free':
      return null
    case 'structured':
      return round === 1 ? null : (latest((argument) => ofAnother(argument) && sideOf(argument) !== own) ?? latest(ofAnother))
    case 'adversarial':
      return latest(({ participant }) => seatOf.get(participant)?.position !== speaker.position)
    case 'panel':
      if (speaker.role === 'moderator') return latest((argument) => argument.round < round)
      return latest((argument) => argument.round === round && seatOf.get(argument.participant)?.role === 'moderator')
  }
}
