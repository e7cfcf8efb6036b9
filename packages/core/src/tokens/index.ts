export { TOKEN_ENCODING, countTokens, loadTokenCounter } from './count-tokens.ts'
