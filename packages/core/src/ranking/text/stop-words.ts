/** English words that say too little to search by. Base forms, as `baseForm` gives them. */
export const STOP_WORDS: ReadonlySet<string> = new Set(`
a about above after again against all also am an and any are as at be because been before being below between both but by can could
did do does doing don down during each else ever few for from further get had has have having he her here hers herself him himself
his how i if in into is it its itself just ll m may me might more most much must my myself no nor not now of off oh on once only or other
our ours ourselves out over own re s same shall she should so some such t than that the their theirs them themselves then there
these they this those through to too under until up upon us ve very was way we were what when where which while who whom whose why will with
would yeah yes you your yours yourself yourselves d`.trim().split(/\s+/))
