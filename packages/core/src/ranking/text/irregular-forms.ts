/**
 * English words whose stem does not show what they are forms of: base form, then the others. Porter2 leaves them apart
 * ("went", "go"), so a question in the past tense would miss its answer.
 */
const FORMS = `
be am is are was were been being|become became|begin began begun|bite bit bitten|blow blew blown|break broke broken|bring brought
build built|burn burnt|buy bought|catch caught|choose chose chosen|come came|cost|cut|deal dealt|dig dug|do did done does
draw drew drawn|dream dreamt|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|feed fed|feel felt|fight fought
find found|fly flew flown|forget forgot forgotten|forgive forgave forgiven|freeze froze frozen|get got gotten|give gave given
go goes went gone gonna|grow grew grown|hang hung|have had has|hear heard|hide hid hidden|hit|hold held|hurt|keep kept|know knew known
lay laid|lead led|learn learnt|leave left|lend lent|lie lain|light lit|lose lost|make made|mean meant|meet met|pay paid|put
read|ride rode ridden|ring rang rung|rise rose risen|run ran|say said|see saw seen|seek sought|sell sold|send sent|set|sew sewn
shake shook shaken|shine shone|shoot shot|show shown|shut|sing sang sung|sink sank sunk|sit sat|sleep slept|speak spoke spoken
spend spent|spread|stand stood|steal stole stolen|stick stuck|strike struck|swear swore sworn|swim swam swum|swing swung
take took taken|teach taught|tear tore torn|tell told|think thought|throw threw thrown|understand understood|wake woke woken
wear wore worn|weave wove woven|win won|write wrote written|child children kid kids|man men|woman women|person people|foot feet|tooth teeth
mouse mice|goose geese|wife wives|life lives|leaf leaves|knife knives|shelf shelves|wolf wolves|half halves|loaf loaves
mom mum mother mommy|dad father daddy|photo photograph photos pic pics picture pictures|movie film movies films|bike bicycle
tv television|good better best|bad worse worst|far further furthest`

const BASES: ReadonlyMap<string, string> = new Map(
  FORMS.split(/[|\n]/).filter((line) => line !== '').flatMap((line) => {
    const [base = '', ...others] = line.split(' ')
    return others.map((other): [string, string] => [other, base])
  }),
)

/** Base form of an irregular English word, e.g. `went` → `go`; other words as they are. */
export function baseForm(word: string): string {
  return BASES.get(word) ?? word
}

/** All forms that `baseForm` makes into `base`, and `base` itself. */
export function formsOf(base: string): string[] {
  return [base, ...[...BASES].filter(([, to]) => to === base).map(([form]) => form)]
}
