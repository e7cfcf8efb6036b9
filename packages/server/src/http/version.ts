import manifest from '../../package.json' with { type: 'json' }

/** The version of this package; all packages of Cairn share it. */
export const VERSION: string = manifest.version
