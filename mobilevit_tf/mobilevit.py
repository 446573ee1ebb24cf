"""`python -m mobilevit_tf.mobilevit` prints the models with their parameters and multiply-accumulates."""

from mobilevit_tf.families.mobilevit import main

if __name__ == "__main__":
    main()
