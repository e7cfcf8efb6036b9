import { termOf } from './analyse.ts'

/** Groups of English words that are asked for by one and told by another. General knowledge, written by hand. */
const ALIKE = `
buy purchase shop order|job work career profession occupation position employ|kid child son daughter baby toddler|hobby pastime interest passion activity
begin start launch kick open|end finish complete wrap conclude quit|trip travel vacation journey visit holiday getaway tour roadtrip|home house apartment place flat
move relocate settle|fear afraid scare anxious nervous terrify|happy glad joy thrill excite delight cheer|sad upset down heartbroken grief devastate mourn
angry mad frustrate annoy|stress relax unwind calm chill|like love enjoy fan adore favorite fond favourite prefer|hate dislike
doctor physician clinic hospital medical|ill sick disease condition health illness|car vehicle drive auto truck|dog puppy pup doggo canine|cat kitten kitty feline
pet dog cat animal puppy kitten|film movie cinema show watch|book novel read story author series|picture photo image snapshot|music song band concert album tune gig
instrument guitar piano violin drum|game play gaming console tournament|food meal dish cook recipe eat cuisine dinner lunch|dessert cake sweet ice cream cookie pastry bake
drink beverage coffee tea wine beer|exercise workout gym fitness train yoga|sport game team basketball soccer football|run jog marathon race|hike trail walk trek
school college university class course degree education study|teacher instructor professor coach mentor|friend buddy pal bestie|meet encounter join meetup
family parent sibling relative|mother mom grandma|father dad grandpa|wife husband spouse partner marry|marry wed wedding engage bride groom|date relationship boyfriend girlfriend partner single
birthday bday celebrate party|party celebrate event gathering celebration|gift present give receive|money fund fundraiser donate charity raise finance|volunteer help community shelter charity
help support assist aid|win prize award trophy champion first victory|compete competition contest tournament race|goal plan aim dream aspire ambition hope
plan intend going upcoming schedule|store shop business boutique|business company startup firm store|learn study take lesson class|paint art draw artwork canvas sketch
write poem blog journal script story|garden plant flower|beach ocean sea coast surf|mountain hike climb peak|camp tent outdoors campfire
nature outdoors forest park|church faith religion religious pray spiritual|accident crash injury hurt injure|lose lost misplace|die pass death funeral
phone call text|project work build create|inspire motivate influence encourage|advice tip suggest recommend|challenge obstacle struggle difficult hard setback
improve better enhance progress|often frequently weekly regularly|recent lately new|big large huge|city town|country abroad nation|food restaurant cafe diner
clothes outfit dress wear fashion|shoes sneakers boots|necklace pendant jewelry ring bracelet|symbol meaning represent
decide choose opt|type kind sort style genre|name call|describe say feel think|make create craft build|attend go join participate|participate join take part involve
receive get win earn|show display exhibit exhibition|perform show stage play|fix repair restore|sign signup register enroll|apply application submit|promote promotion raise advance
fire layoff lose quit|interview hire|apply job|degree graduate major|political politic election vote campaign office|military army veteran serve soldier|flood storm hurricane fire disaster
adopt adoption foster|pottery clay ceramic|dance dancer choreograph studio|yoga meditate mindful meditation|weight diet healthy eat|allergy allergic|injury ankle knee hurt`

/** Words that answer a question for their kind: the kind's names, a colon, its members. */
const MEMBERS = `
instrument:guitar piano violin drum flute clarinet cello ukulele saxophone trumpet keyboard bass harp banjo
pet animal:dog cat puppy kitten fish hamster rabbit turtle snake parrot bird lizard guinea pig horse cow goat duck
sport game activity hobby:basketball soccer football baseball tennis hockey volleyball golf swimming running cycling hiking surfing skiing skating climbing boxing yoga racing bowling rugby cricket snowboarding
activity hobby:painting drawing pottery camping reading writing cooking baking gardening photography fishing dancing singing knitting sewing gaming chess woodworking volunteering kayaking biking sculpting meditating
food dish meal snack recipe cuisine:pizza pasta sushi chicken salmon steak salad soup burger taco curry rice noodle cake cookie pie bread cheese chocolate ice cream fruit vegetable vegan lasagna sandwich pancake tofu cupcake muffin popcorn
dessert:cake pie cookie ice cream mousse tart brownie pudding cupcake parfait sorbet cheesecake
drink beverage:coffee tea beer wine juice soda smoothie cocktail water
color colour:red blue green yellow orange purple pink black white brown gray grey teal turquoise
family relative member:mother father mom dad sister brother grandma grandpa aunt uncle cousin wife husband son daughter kid niece nephew
country place travel abroad visit location trip:england france spain italy germany canada japan china india australia mexico brazil ireland scotland greece turkey sweden norway thailand portugal peru paris london tokyo rome barcelona europe asia africa
state city place live area:california florida texas york seattle boston chicago miami minnesota michigan oregon colorado angeles francisco vegas diego portland denver hawaii alaska georgia toronto vancouver
job career profession occupation work:teacher engineer nurse doctor lawyer counselor writer artist designer manager developer programmer accountant barista chef musician actor director scientist analyst waiter mechanic banker firefighter coach psychologist
emotion feel feeling:happy sad excited nervous grateful proud scared anxious relieved thankful joy awe overwhelmed lonely stressed peaceful calm confident hopeful
movie film show:star lord ring harry potter matrix titanic inception avengers marvel godfather disney pixar comedy drama romance thriller horror
genre type kind:fantasy fiction mystery thriller romance horror comedy drama action adventure jazz rock pop classical rap country electronic strategy rpg
art craft medium:painting sculpture pottery drawing photography watercolor acrylic oil canvas sketch abstract portrait landscape mural
health condition problem injury:asthma allergy diabetes anxiety depression flu cold fever ankle knee back shoulder heart surgery weight cancer pain
device gadget tool technology electronics:phone laptop computer tablet console camera watch headphone monitor tv
vehicle car:car truck suv tesla ford motorcycle bike scooter van jeep
season weather:summer winter spring fall autumn rain snow storm sunny
holiday festival:christmas thanksgiving halloween easter birthday anniversary pride fair parade
nature:beach mountain forest lake waterfall river ocean park trail canyon desert sunset
event:conference workshop meeting parade concert festival fair fundraiser party retreat webinar tournament convention gala seminar
plant flower:rose sunflower lily tulip orchid daisy cactus succulent tree tomato herb basil
console game:nintendo xbox playstation switch pc
clothes wear:shirt dress shoe hat jacket boot necklace ring jeans scarf sneaker
family pet:dog cat puppy`

const alike = new Map<string, Set<string>>()
for (const group of ALIKE.split(/[|\n]/)) link(alike, group.split(' ').filter(Boolean))
const members = new Map<string, Set<string>>()
for (const line of MEMBERS.trim().split('\n')) {
  const [kinds = '', words = ''] = line.split(':')
  for (const kind of kinds.split(' ')) add(members, termOf(kind), words.split(' ').map(termOf))
}

function link(map: Map<string, Set<string>>, words: string[]): void {
  const terms = words.map(termOf)
  for (const term of terms) add(map, term, terms.filter((other) => other !== term))
}

function add(map: Map<string, Set<string>>, key: string, values: string[]): void {
  const set = map.get(key) ?? new Set()
  for (const value of values) set.add(value)
  map.set(key, set)
}

const NONE: ReadonlySet<string> = new Set()

/** Terms that may stand in an answer in place of `term`. */
export function alikeTerms(term: string): ReadonlySet<string> {
  return alike.get(term) ?? NONE
}

/** Terms of what is asked for when a question asks for a kind, e.g. `instrument` → `guitar`, `piano`, … */
export function memberTerms(term: string): ReadonlySet<string> {
  return members.get(term) ?? NONE
}
