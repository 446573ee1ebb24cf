package dev.mobilevit.runtime

/**
 * The AAR's own libtensorflowlite_jni.so in this JVM, on the libraries that shim/build.sh made.
 *
 * In a package of its own, which Robolectric's sandbox leaves to the JVM's class loader as it leaves org.tensorflow: a
 * native library belongs to one class loader.
 */
object NativeRuntime {
    init {
        val shim = System.getProperty("demo.shim")
        for (name in listOf("libc.so", "libm.so", "libdl.so", "liblog.so")) System.load("$shim/$name")
        System.load(System.getProperty("demo.runtime"))
    }

    /** Call before the first Interpreter. */
    fun load() = Unit
}
