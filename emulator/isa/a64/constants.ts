/** The tables of A64 rows; each row's file makes its own. */
import { Constants } from '../../ir/constants';

export const constants = new Constants();
