/** A process that may lead the relay. Its argument: the options of open(). Prints `ready`. */
import { type CairnOptions, open } from '@cairn/core'

const cairn = await open(JSON.parse(process.argv[2] as string) as CairnOptions)
console.log('ready')
process.on('SIGTERM', () => void cairn.close().then(() => process.exit(0)))
setInterval(() => undefined, 60_000)
