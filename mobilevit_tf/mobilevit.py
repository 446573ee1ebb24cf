"""`python -m mobilevit_tf.mobilevit` prints every model with its parameters and multiply-accumulates."""

from mobilevit_tf import catalog

if __name__ == "__main__":
    print(catalog.table())
