/** The language server's process: the editor starts it and speaks to it over the transport of its arguments. */
import { createConnection, ProposedFeatures } from 'vscode-languageserver/node';
import { a64 } from './a64';
import { serve } from './server';

serve(createConnection(ProposedFeatures.all), a64);
