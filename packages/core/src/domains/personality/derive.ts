import { responseLength } from './signal.ts'
import { rounded, shrunk, wilsonLower } from './statistics.ts'
import type { CommunicationStyle, Counts, GoalOrientation, LearnedPatterns, LearnedTopic, LearningPreferences, MotivationTrigger, RatedShare, ResponsePatterns } from './types.ts'
import { DAY_PARTS, type DayPart, GOALS, type Goal, RESPONSE_LENGTHS, RESPONSE_TRAITS, type ResponseLength, type ResponseTrait } from './words.ts'

/** A word of the user, and how many users of the tenant have it. */
export interface TopicRow {
  readonly term: string
  readonly uses: number
  readonly messages: number
  readonly positive: number
  readonly negative: number
  readonly users: number
}

const TOPICS = 20
const TRIGGERS = 10
/** Ratings needed before a preference is told. */
const RATED = 3

/** The profile that the sums say. Pure: the same sums give the same profile. `users` is how many the tenant has. */
export function deriveProfile(sums: Counts, topics: readonly TopicRow[], users: number): LearnedPatterns {
  const of = (name: string): number => sums[name] ?? 0
  const responsePatterns = patterns(of)
  return {
    communicationStyle: style(of),
    preferredTopics: preferredTopics(topics, users),
    responsePatterns,
    motivationTriggers: triggers(topics, of),
    learningPreferences: learningPreferences(responsePatterns),
    goalOrientation: goals(of),
  }
}

type Of = (name: string) => number

function style(of: Of): CommunicationStyle {
  const n = of('messages')
  const mean = n === 0 ? 0 : of('words') / n
  const variance = n === 0 ? 0 : Math.max(0, of('words_squared') / n - mean ** 2)
  return {
    formality: rounded(shrunk(of('formal'), of('formal') + of('informal'), 0.5)),
    politeness: rounded(shrunk(of('with_politeness'), n, 0.25)),
    emoji: rounded(shrunk(of('with_emoji'), n, 0.1)),
    exclamation: rounded(shrunk(of('with_exclamation'), n, 0.1)),
    questions: rounded(shrunk(of('with_question'), n, 0.3)),
    messageWords: rounded(mean),
    messageWordsDeviation: rounded(Math.sqrt(variance)),
    wordsASentence: rounded(of('sentences') === 0 ? 0 : of('words') / of('sentences')),
    messageLength: responseLength(mean),
  }
}

/** messages · (1 + ln((1 + users) ÷ (1 + users with the word))): often here, seldom elsewhere. */
function preferredTopics(topics: readonly TopicRow[], users: number): LearnedTopic[] {
  return topics
    .filter(({ messages }) => messages > 0)
    .map(({ term, messages, uses, users: having }) => ({ term, messages, uses, score: rounded(messages * (1 + Math.log((1 + Math.max(users, having)) / (1 + having)))) }))
    .sort((a, b) => b.score - a.score || b.uses - a.uses || (a.term < b.term ? -1 : 1))
    .slice(0, TOPICS)
}

function patterns(of: Of): ResponsePatterns {
  const hours = Array.from({ length: 24 }, (_, hour) => of(`hour.${hour}`))
  const dayParts = Object.fromEntries(Object.entries(DAY_PARTS).map(([part, [from, to]]) => [part, hours.slice(from, to).reduce((sum, n) => sum + n, 0)])) as Record<DayPart, number>
  const busiest = Object.entries(dayParts).reduce((best, each) => (each[1] > best[1] ? each : best))
  return {
    feedback: { positive: of('feedback.positive'), neutral: of('feedback.neutral'), negative: of('feedback.negative') },
    rating: of('ratings') === 0 ? null : rounded(of('rating_sum') / of('ratings')),
    ratings: of('ratings'),
    responses: of('responses'),
    responseWords: of('responses') === 0 ? 0 : rounded(of('response_words') / of('responses')),
    lengths: Object.fromEntries(RESPONSE_LENGTHS.map((length) => [length, rated(of, `length.${length}`)])) as Record<ResponseLength, RatedShare>,
    traits: Object.fromEntries(RESPONSE_TRAITS.map((trait) => [trait, rated(of, trait)])) as Record<ResponseTrait, RatedShare>,
    hours,
    weekdays: Array.from({ length: 7 }, (_, day) => of(`day.${day}`)),
    dayParts,
    mostActive: busiest[1] === 0 ? null : (busiest[0] as DayPart),
  }
}

function rated(of: Of, trait: string): RatedShare {
  const [positive, negative] = [of(`trait.${trait}.positive`), of(`trait.${trait}.negative`)]
  return { positive, negative, liked: rounded((positive + 1) / (positive + negative + 2)) }
}

/** Words of at least 3 judged messages whose share of praise is above that of all messages, by the lower end of its interval. */
function triggers(topics: readonly TopicRow[], of: Of): MotivationTrigger[] {
  const overall = (of('feedback.positive') + 1) / (of('feedback.positive') + of('feedback.negative') + 2)
  return topics
    .filter(({ positive, negative }) => positive + negative >= RATED && (positive + 1) / (positive + negative + 2) > overall)
    .map(({ term, positive, negative }) => ({ term, positive, negative, lift: rounded((positive + 1) / (positive + negative + 2) / overall), lower: wilsonLower(positive, positive + negative) }))
    .sort((a, b) => b.lower - a.lower || (a.term < b.term ? -1 : 1))
    .slice(0, TRIGGERS)
    .map(({ lower: _, ...trigger }) => trigger)
}

function learningPreferences({ lengths, traits }: ResponsePatterns): LearningPreferences {
  const tried = RESPONSE_LENGTHS.map((length) => ({ length, ...lengths[length] })).filter(({ positive, negative }) => positive + negative >= RATED)
  const best = tried.sort((a, b) => wilsonLower(b.positive, b.positive + b.negative) - wilsonLower(a.positive, a.positive + a.negative) || (a.length < b.length ? -1 : 1))[0]
  const likes = ({ positive, negative, liked }: RatedShare): boolean | null => (positive + negative < RATED || positive === negative ? null : liked > 0.5)
  return {
    responseLength: best === undefined || best.liked <= 0.5 ? null : best.length,
    lists: likes(traits.list),
    code: likes(traits.code),
    examples: likes(traits.example),
    questionsBack: likes(traits.question),
    links: likes(traits.link),
  }
}

function goals(of: Of): GoalOrientation {
  const counts = GOALS.map((goal) => [goal, of(`goal.${goal}`)] as const)
  const total = counts.reduce((sum, [, n]) => sum + n, 0)
  const [goal, most] = counts.reduce((best, each) => (each[1] > best[1] ? each : best))
  return {
    shares: Object.fromEntries(counts.map(([name, n]) => [name, total === 0 ? 0 : rounded(n / total)])) as Record<Goal, number>,
    primary: most < 3 ? null : goal,
  }
}
