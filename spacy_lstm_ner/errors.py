"""The catalogue of messages: what was found, where, what was expected, what to do.

L0xx: component, model and layers. L1xx: tags and readers. L2xx: command line.
L4xx: annotation with Ray.
"""

from spacy.errors import ErrorsWithCodes


class Errors(metaclass=ErrorsWithCodes):
    """Messages of exceptions; format them with the named values they ask for."""

    # Component, model and layers
    L001 = "A recurrent encoder needs at least one layer, not depth = {depth}."
    L002 = (
        "An encoder of width = {nO} can't be built: the width is that of the output, "
        "both directions together, so it is positive, and even if bidirectional."
    )
    L003 = (
        "grad_clip = {grad_clip} would let no gradient pass: use a positive limit, "
        "or null for none."
    )
    L004 = (
        "A dropout of {rate} is no probability: use 0 <= dropout < 1, or, except for "
        "recurrent_dropout, null for the rate of the training loop."
    )
    L005 = (
        "The encoder got vectors of width {found}, but was built for width {nI}. If it "
        "stands on a listener, give the listener the width of the shared tok2vec, and "
        "initialize the pipeline again after any change of width."
    )
    L006 = (
        "The decoder got vectors of width {found}, but was built for width {nI}: "
        "initialize the pipeline again after any change of the encoder's width."
    )
    L007 = (
        "What is known about the tags of sequence {i} of the batch contradicts itself: "
        "no path gets past token {token}, which may have tags {allowed}, while those "
        "before it lead there from {arriving}. Allow tag 0 (O) where an entity can't "
        "stand."
    )
    L008 = (
        "The layer '{name}' can't learn from a forward pass for prediction, which "
        "keeps nothing: use model.begin_update(X), or model(X, is_train=True)."
    )
    L010 = (
        "'{name}' has no labels, so it can't be initialized. Give it examples with "
        "entities, or add_label(), or labels under [initialize.components.{name}]."
    )
    L011 = (
        "'{name}' is not initialized, so it can't {action}. Train it with `spacy "
        "train`, or call nlp.initialize(lambda: examples) first; a trained pipeline "
        "comes from spacy.load()."
    )
    L012 = (
        "Label {label!r} in the gold data of example {i} ('{text}') is unknown to the "
        "component, which has {labels}. Add it with add_label({label!r}), or "
        "initialize the component from data that has it."
    )
    L013 = (
        "A label is a string that is not empty, but add_label() of '{name}' got "
        "{label!r}."
    )
    L014 = "threshold = {threshold} is no probability: use 0 <= threshold <= 1."
    L015 = (
        "The scores of '{name}' are NaN or infinite (spaCy's E940), first of all at "
        "token {token} ({word!r}) of Doc {i} of the batch ('{text}'). In training, "
        "lower the learning rate, or set the encoder's grad_clip; check the vectors of "
        "tok2vec. A pipeline that was saved like this has to be trained again."
    )
    L018 = (
        "Span {span} can't be excluded: expected rows start <= i < end of one "
        "sequence, within the {n} of the batch."
    )
    L016 = "spans_key is the name of a span group, so it can't be {spans_key!r}."
    L020 = (
        "Confidences of shape {confidences} and marks of right and wrong of shape "
        "{correct} don't go together: expected two arrays of one dimension and of the "
        "same length, with a mark for each confidence."
    )
    L021 = (
        "Confidence {confidence} of span {i} is no probability: expected 0 <= "
        "confidence <= 1. Leave out spans that have none (None), such as entities of "
        "another component."
    )
    L022 = "Spans can't be divided into n_bins = {n_bins} bins: use at least one."
    L023 = (
        "beta = {beta} can't weigh recall against precision: use a positive number, 1 "
        "for equal weight, 0.5 to prefer precision or 2 to prefer recall."
    )
    L024 = (
        "n_gold = {n_gold}, but {n_right} spans are right: expected the number of all "
        "gold spans. Count the gold spans and the right ones in the same texts."
    )

    L030 = (
        "{name} has {cost} for the label {label!r}: expected a cost that is not "
        "negative and not infinite."
    )
    L031 = (
        "entity_ratio = {ratio} with entity_ratio_weight = {weight}: expected null, or "
        "the least and the greatest share of tokens in entities, such as [0.1, 0.2], "
        "and a weight that is not negative."
    )
    L032 = (
        "The setting {name} names the label {label!r}, which is unknown to the "
        "component: expected one of {labels}."
    )
    L033 = (
        "The annotation of example {i} ('{text}') contradicts itself: no analysis gets "
        "past token {token} ({word!r}). Its entities are {ents}, while spans[{key!r}], "
        "which are to be no entities, are {spans}: together they leave nothing. "
        "Correct one of them."
    )
    L040 = "word_dropout = {rate} is no share of words: use 0 <= word_dropout < 1."
    L041 = (
        "{attrs} are no lexical attributes: expected names such as NORM, PREFIX, "
        "SUFFIX and SHAPE."
    )
    L042 = (
        "There are no word vectors, which include_static_vectors asks for: name a "
        "pipeline or a folder that has them in [initialize] vectors, or on the command "
        "line, as in --paths.vectors."
    )
    L043 = (
        "Word vectors have width {found}, but the model was trained with width {nM}: "
        "load the vectors that it was trained with, or train it again."
    )
    L044 = (
        "rows = {rows} go with attrs = {attrs}: expected one number of rows for each "
        "attribute, and something to embed: attributes, characters or vectors."
    )
    L045 = (
        "window = {window} with overlap = {overlap} leaves nothing in the middle: use "
        "a window of more than twice the overlap, or null for none."
    )
    L046 = (
        "PerLexeme.v1 can't embed words by {attrs}, which depend on other tokens: "
        "leave them out, or use the embedding without PerLexeme.v1."
    )
    L047 = (
        "rare_dropout = {value}: expected a number that is not negative and not "
        "infinite, such as 1.0, or 0 for none."
    )
    L048 = "Setting '{name}' is {value}: expected at least {least}."
    L049 = (
        "An LSTM can't make vectors of width {width} of a word's characters: the width "
        "is that of both directions together, so expected an even one."
    )
    L050 = (
        "The component {name!r} finds no entities in the texts that their annotation "
        "says anything about, so there is nothing to fit confidences to: train it "
        "further, or take annotated texts of the kind that it was trained for."
    )
    L034 = "n = {n} paths can't be listed: expected at least 1."

    # Tags and readers
    L100 = "Setting '{name}' is {value!r}: expected one of {choices}."
    L101 = (
        "{tag!r} is not a tag: expected 'O' or a prefix (B, I, L or E, U or S), a "
        "hyphen and a label, as in 'B-PER'."
    )
    L102 = (
        "{tag!r} at token {i} is not a tag of the scheme {scheme}: expected 'O' or "
        "one of the prefixes {prefixes}, a hyphen and a label, as in 'B-PER'. "
        "Correct the tag, or name the scheme that the tags are written in."
    )
    L103 = (
        "Tag {tag!r} at token {i} breaks the scheme {scheme}: expected '{expected}'. "
        'Correct the tag, or set invalid = "repair": the sequence is then read as '
        "the CoNLL evaluation reads it, and each repaired tag is counted."
    )
    L104 = (
        "Span {span} is not within the {n} tokens: expected 0 <= start < end <= {n} "
        "(token offsets, end exclusive)."
    )
    L105 = (
        "Spans {first} and {second} overlap: a token has one tag, so expected spans "
        "without common tokens. Drop one (spacy.util.filter_spans keeps the longest)."
    )
    L106 = "Span {span} has no label: expected a text that is not empty."
    L110 = (
        "Corpus path is None or empty: expected a file, a folder or a list of them. "
        "Set it in the config, often as paths.train and paths.dev, or on the command "
        "line, as in --paths.train corpus/train.conll."
    )
    L111 = (
        "Corpus path '{path}' does not exist (looked for from '{cwd}'): expected a "
        "file or a folder. Correct the path in the config or on the command line, or "
        "create the file first."
    )
    L112 = (
        "No corpus file in the folder '{path}': expected files ending in {endings}, "
        "there or in its subfolders. A file with another ending is read if its path "
        "is given."
    )
    L113 = (
        "{where}: byte {byte} is not UTF-8. If the file is text in another encoding, "
        "convert it, as in: iconv -f {encoding} -t utf-8 OLD > NEW"
    )
    L114 = (
        "{where}: found {found} column(s) in {text!r}, expected a token in column "
        "{word_column} and a tag in another one, column {tag_column}. Correct the "
        "line, or the settings word_column, tag_column and separator; if the line is "
        "a comment, set comment to what comments begin with."
    )
    L115 = (
        "{where}: found {found} columns between {separator} in {text!r}, expected "
        "{width} as in the lines before. If that stands in a token, separate the "
        "columns with tabs; if the line is a comment, set comment to what comments "
        "begin with."
    )
    L116 = (
        "{where}: found {tag!r} in the tag column of {text!r}, expected 'O', a prefix "
        "(B, I, L or E, U or S) with a hyphen and a label, as in 'B-PER', or '-' for "
        "no annotation. Correct the line, or the settings tag_column and separator; "
        "if the line is a comment, set comment to what comments begin with."
    )
    L117 = (
        "{where}: found a carriage return within {text!r}, expected lines that end in "
        "a line feed, alone or after a carriage return. Convert the file, as in: "
        "tr '\\r' '\\n' < OLD > NEW"
    )
    L118 = "{where}: {reason}"
    L119 = "Setting '{name}' is empty: expected null or at least one character."
    L120 = "Setting 'limit' is {limit}: expected 0 (no limit) or a positive number."

    # Command line
    L200 = (
        "Entity {entity!r} of the demo sentence {text!r} does not begin and end where "
        "a token does: expected names and templates that the English tokenizer cuts "
        "at the entity's ends. Correct the template or the name."
    )
    L201 = (
        "Output '{output}' does not end in '{suffix}': expected the file to write as "
        "the last argument. Add it, or its ending."
    )
    L202 = (
        "'{path}' is no file: expected one in spaCy's binary format, "
        "such as 'python -m spacy_lstm_ner convert' or 'spacy convert' writes."
    )
    L203 = (
        "'{path}' is not in spaCy's binary format: expected a file such as "
        "'python -m spacy_lstm_ner convert' or 'spacy convert' writes."
    )
    L204 = (
        "'{path}' has no scores of entities: expected a file that 'spacy evaluate' has "
        "written with --output."
    )
    L205 = (
        "matplotlib, which draws the picture, is not installed. Install it with: "
        'pip install "spacy-lstm-ner[plots]"'
    )
    L206 = (
        "Asked for {asked}, but of the components {pipes}, {names} are recognizers of "
        "this package: expected one, or the name of one of them with --component."
    )
    L207 = (
        "{where}: found {line!r}, expected JSON with a field 'text' that is a "
        'string, as in {{"text": "Sharon flew to Miami."}}'
    )
    L209 = (
        "The word vectors need two more packages: install them with "
        "`pip install 'spacy-lstm-ner[vectors]'`."
    )
    L208 = (
        "'{path}' has no entities, so nothing can be fitted to it: expected annotated "
        "texts that the pipeline was not trained on."
    )
    L210 = (
        "gensim, which trains the word vectors, is not installed. Install it with: "
        'pip install "spacy-lstm-ner[word2vec]"'
    )
    L211 = (
        "Of the {n} words of the texts, none occurs {min_count} times: expected more "
        "text, or a lower --min-count."
    )
    L212 = (
        "The sentences of '{path}', joined, make {n} texts with a known tag after "
        "{n_steps} tokens: expected at least 2, one to train on and one to measure "
        "with. Name a larger corpus."
    )

    L213 = "The output '{path}' is the input, which would be lost: name another file."
    L214 = (
        "'{path}' ends in '.json': expected a text per line, or a file that ends in "
        "'.jsonl' with a JSON record per line. Write each record in a line of its own."
    )
    L215 = (
        "Text {i} of '{path}' has the field(s) {names} already, which would be lost: "
        "name them otherwise."
    )
    L216 = (
        "The component {name!r} finds no entities in '{path}' that the annotation says "
        "anything about, so there is nothing to draw: expected annotated texts, and a "
        "component that is trained."
    )

    # Annotation with Ray
    L400 = (
        "Ray, which annotates large corpora, is not installed. Install it with: "
        'pip install "spacy-lstm-ner[ray]"'
    )
    L401 = (
        "'{path}' is no input: expected a file that ends in one of {endings}, or a "
        "folder that has such files, there or in its subfolders."
    )
    L402 = (
        "'{path}': the column {column!r} is {found}, expected one column of text. The "
        "columns are {columns}: name another one with --text-column, or convert it."
    )
    L403 = (
        "'{path}' can't be read as Parquet: {reason}. Repair the file, or take it out "
        "of the input."
    )
    L404 = (
        "{where}: there is a column {column!r} already: name the new column otherwise "
        "with --entities-column."
    )
    L405 = (
        "{where}: found {line!r}, expected JSON with a field {column!r} that is a "
        "string or null. Correct the line, or name another field with --text-column."
    )
    L406 = (
        "The pipeline has the components {pipes}, none of which sets entities: add an "
        "entity recognizer, or name another pipeline. A component of your own that "
        'sets them says so with assigns=["doc.ents"].'
    )
    L407 = (
        "The output '{path}' is not empty, or within the input: expected a new folder "
        "outside of the input, or one that an interrupted run has begun."
    )
    L408 = (
        "The output '{path}' was begun with other settings or inputs ({differences}): "
        "repeat them to go on, or name a new folder."
    )
    L409 = (
        "{n} of {n_files} files of the output could not be made; the others are "
        "complete. The first is that of {where}: {reason}. Start the same command "
        "again to try those that are missing."
    )


def check_at_least(least: int, **settings: float | None) -> None:
    """Refuse settings that are too small.

    least (int): The least that they may be.
    settings (Optional[float]): By name; None is not checked.
    RAISES ValueError (L048): If one is less.
    """
    for name, value in settings.items():
        if value is not None and value < least:
            message = Errors.L048.format(name=name, value=value, least=least)
            raise ValueError(message)
