import javax.inject.Inject
import org.gradle.api.file.FileSystemOperations
import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

fun setting(name: String): String = providers.gradleProperty(name).get()

val repository = rootProject.layout.projectDirectory.dir("..")

/** The model and the sample photos exist once in the repository; a model that is not there fails the build. */
abstract class DemoAssets : DefaultTask() {
    @get:InputFile
    abstract val model: RegularFileProperty

    @get:InputDirectory
    abstract val samples: DirectoryProperty

    @get:OutputDirectory
    abstract val assets: DirectoryProperty

    @get:Inject
    abstract val files: FileSystemOperations

    @TaskAction
    fun copy() {
        files.sync {
            from(model) {
                rename { "model.tflite" }
            }
            from(samples) {
                include("*.jpg", "CREDITS.md")
                into("samples")
            }
            into(assets)
        }
    }
}

// -Pmodel=path takes another model; a relative path counts from android_demo/.
val chosenModel = providers.gradleProperty("model").orElse("../models/flowers_xxs_int8.tflite")
val demoAssets = tasks.register<DemoAssets>("demoAssets") {
    model.set(rootProject.layout.projectDirectory.file(chosenModel))
    samples.set(repository.dir("examples"))
}

android {
    namespace = setting("applicationId")
    compileSdk = setting("compileSdk").toInt()

    defaultConfig {
        applicationId = setting("applicationId")
        minSdk = setting("minSdk").toInt()
        targetSdk = setting("targetSdk").toInt()
        versionCode = setting("versionCode").toInt()
        versionName = setting("versionName")
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    androidResources {
        noCompress += "tflite" // the model is mapped from inside the APK
    }

    sourceSets.getByName("test").kotlin.srcDir("../jvm_tests/kotlin")

    testOptions.unitTests {
        isIncludeAndroidResources = true
        all { test ->
            val folder = repository.asFile
            test.systemProperty("demo.model", "$folder/models/flowers_xxs_int8.tflite")
            test.systemProperty("demo.samples", "$folder/examples")
            test.systemProperty("demo.golden", "$folder/tests/golden")
            test.systemProperty("demo.sources", "$folder/android_demo")
            test.systemProperty("demo.screenshots", layout.buildDirectory.dir("screenshots").get().asFile.path)
            test.systemProperty("org.bytedeco.javacpp.cachedir", layout.buildDirectory.dir("javacpp").get().asFile.path)
            test.maxHeapSize = "2g"
        }
    }
}

androidComponents {
    onVariants { variant ->
        variant.sources.assets?.addGeneratedSourceDirectory(demoAssets, DemoAssets::assets)
    }
}

kotlin {
    compilerOptions {
        jvmTarget.set(JvmTarget.JVM_11)
    }
}

dependencies {
    implementation(libs.bytedeco.javacpp)
    implementation(libs.bytedeco.tensorflowlite)
    for (platform in listOf("android-arm64", "android-x86_64")) {
        runtimeOnly(variantOf(libs.bytedeco.javacpp) { classifier(platform) })
        runtimeOnly(variantOf(libs.bytedeco.tensorflowlite) { classifier(platform) })
    }
    testImplementation(libs.junit.junit)
    testImplementation(libs.robolectric.robolectric)
    testImplementation(libs.asm.tree)
    testImplementation(libs.kotlin.compiler)
    testRuntimeOnly(variantOf(libs.bytedeco.javacpp) { classifier("linux-x86_64") })
    testRuntimeOnly(variantOf(libs.bytedeco.tensorflowlite) { classifier("linux-x86_64") })
}
