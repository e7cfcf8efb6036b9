import { registerHooks } from 'node:module'

/**
 * The condition `source` is for the packages of this workspace. A package in node_modules that has one of that name too
 * (`eventsource` does) would be loaded as TypeScript, which Node refuses there: import this before the SDK.
 */
registerHooks({
  resolve(specifier, context, next) {
    if (context.parentURL?.includes('/node_modules/') !== true) return next(specifier, context)
    return next(specifier, { ...context, conditions: context.conditions.filter((condition) => condition !== 'source') })
  },
})
