/**
 * The classifiers as a library: by name, or a list of all.
 *
 *     const network = createClassifier(classifier("resnet18"), {
 *       inChannels: 3,
 *       numClasses: 10,
 *       imageSize: 32,
 *     });
 */

export {
  type ClassifierEntry,
  type ClassifierOptions,
  comesInWidth,
  createClassifier,
} from "./classifier.ts";
export { classifier, classifiers } from "./registry.ts";
