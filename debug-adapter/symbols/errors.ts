/** Something is wrong with a symbol file. The message is one sentence for the user and says what to do next. */
export class SymbolError extends Error {
  override readonly name = 'SymbolError';
}
