/** Why an operation on a file cannot be done, as the model is told. */
export class FileProblem extends Error {}
