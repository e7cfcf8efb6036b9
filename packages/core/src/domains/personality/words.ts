/** Of a response: fewer than 40 words, fewer than 150, more. */
export const RESPONSE_LENGTHS = ['short', 'medium', 'long'] as const
export type ResponseLength = (typeof RESPONSE_LENGTHS)[number]

export const SENTIMENTS = ['positive', 'neutral', 'negative'] as const
export type Sentiment = (typeof SENTIMENTS)[number]

/** What a response may have, besides its length. */
export const RESPONSE_TRAITS = ['list', 'code', 'example', 'question', 'link'] as const
export type ResponseTrait = (typeof RESPONSE_TRAITS)[number]

/** What a message is after; one message may have several. */
export const GOALS = ['learn', 'do', 'solve', 'plan'] as const
export type Goal = (typeof GOALS)[number]

export const DAY_PARTS = { night: [0, 6], morning: [6, 12], afternoon: [12, 18], evening: [18, 24] } as const
export type DayPart = keyof typeof DAY_PARTS

const set = (words: string): ReadonlySet<string> => new Set(words.split(' '))

export const POLITE = set('please thanks thank kindly appreciate appreciated grateful sorry pardon welcome cheers')
export const FORMAL = set('therefore however furthermore moreover regarding sincerely dear hence thus accordingly nevertheless shall whom would could kindly pursuant respectively consequently')
export const INFORMAL = set('lol haha hey hi yeah yep nope gonna wanna gotta kinda sorta btw omg thx pls plz dude cool awesome ok okay u ur idk imo tbh ya cuz cause stuff guys')
export const REQUESTING = set('make write create build add fix show give draft generate send run update change remove translate summarize summarise list compute calculate implement refactor convert book order find')
export const LEARNING = set('explain why how what learn understand meaning mean means difference teach tell describe clarify compare')
export const SOLVING = set('error errors fails failed failing failure broken bug crash crashes wrong issue problem stuck cannot debug exception')
export const PLANNING = set('plan plans planning goal goals deadline schedule roadmap strategy tomorrow week month next milestone priority priorities decide')

/** Words that say nothing about the topic of a message. */
export const STOP_WORDS = set(
  "a about above after again against all also am an and any are as at be because been before being below between both but by can cannot could did do does doing down during each even ever every few for from further get gets give go goes going got had has have having he her here hers him his how i if in into is it its itself just know let like make many may maybe me might more most much must my myself new no nor not now of off ok okay on once one only or other our ours out over own please really same say see she should show so some still such take tell than thank thanks that the their theirs them then there these they thing things think this those though through to too two under until up us use used using very want wants was way we well were what when where which while who whom why will with without would yes yet you your yours yourself hi hey hello dear i'm i've i'll i'd it's don't can't won't isn't aren't doesn't didn't that's there's let's you're we're they're what's",
)
